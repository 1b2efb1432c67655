// The simulated coordinator of one consumer group, as Kafka's with eager range assignment and members that have names:
//
//   a member with a new name joins, or one is expelled    everybody has to give up what it has and join again; when all
//                                                         have, the partitions are shared out: a new generation
//   a process comes back under its name                   it has its partitions at once, nobody else is disturbed
//
// An expelled member is not told; it learns of it when it asks. Its commits are refused.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "processors/stream/ports.h"

namespace fiverate::test {

class SimGroup {
 public:
  struct Member {
    std::int64_t incarnation = 0;
    bool joined = false;  // since the sharing out began
    std::vector<Input> assigned;
  };

  explicit SimGroup(std::vector<Input> inputs) : inputs_(std::move(inputs)) {}

  void join(const std::string& name, std::int64_t incarnation);
  void expel(const std::string& name);

  [[nodiscard]] bool knows(const std::string& name, std::int64_t incarnation) const;
  [[nodiscard]] bool sharing_out() const { return sharing_out_; }
  [[nodiscard]] std::int64_t generation() const { return generation_; }
  [[nodiscard]] const std::map<std::string, Member>& members() const { return members_; }
  [[nodiscard]] const std::vector<Input>& inputs() const { return inputs_; }

  std::map<Input, Committed> offsets;

 private:
  void begin_sharing_out();
  void share_out_if_all_joined();

  std::vector<Input> inputs_;
  std::map<std::string, Member> members_;
  bool sharing_out_ = false;
  std::int64_t generation_ = 0;
};

}  // namespace fiverate::test
