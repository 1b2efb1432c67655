// The simulated coordinator of one consumer group. It behaves as Kafka's with eager range assignment and static members:
//
//   a member with a new name joins, or one is expelled    all members lose their partitions and have to join again; when all have
//                                                         joined, a new generation begins and the partitions are assigned anew
//   a process rejoins under its name                      it gets its partitions back at once, without a rebalance
//
// An expelled member gets no message; it finds out at its next call. Its commits are refused.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "processors/stream/ports.h"
#include "tests/sim/faults.h"

namespace fiverate::test {

class SimGroup {
 public:
  struct Member {
    std::int64_t incarnation = 0;
    bool joined = false;  // since the rebalance began
    std::vector<Input> assigned;
  };

  explicit SimGroup(std::vector<Input> inputs) : inputs_(std::move(inputs)) {}

  void join(const std::string& name, std::int64_t incarnation);
  void expel(const std::string& name);
  // The topics have more partitions now; members get them when they join again.
  void extend(std::vector<Input> inputs);

  [[nodiscard]] bool knows(const std::string& name, std::int64_t incarnation) const;
  [[nodiscard]] bool rebalancing() const { return rebalancing_; }
  [[nodiscard]] std::int64_t generation() const { return generation_; }
  [[nodiscard]] const std::map<std::string, Member>& members() const { return members_; }
  [[nodiscard]] const std::vector<Input>& inputs() const { return inputs_; }

  std::map<Input, Committed> offsets;
  std::map<Topic, std::int32_t> partition_counts;  // of the topics that have grown
  // Whether a count of partitions fails. How often they are counted does not change the other faults of a seed.
  Chance counting{1};

 private:
  void begin_rebalancing();
  void assign_if_all_joined();

  std::vector<Input> inputs_;
  std::map<std::string, Member> members_;
  bool rebalancing_ = false;
  std::int64_t generation_ = 0;
};

}  // namespace fiverate::test
