// Which records a task applies: each record of a sender once, in the sender's order, none missing, and only what a deterministic sender
// would send. Knows the position and the chained hash of the last record applied from each sender.
//
//   position is not after the last one            repetition: dropped
//   predecessor or dependency is not applied yet  sequence gap: not applied, the sender sends it again
//   predecessor fits, chain differs               the sender did not repeat itself: stop
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "processors/stream/ports.h"
#include "processors/stream/sequence_gap.h"
#include "state.pb.h"

namespace fiverate {

enum class Admission : std::uint8_t { apply, repetition, sequence_gap };

// A position among the outputs of a sender, and the chain of all outputs up to it.
struct ChainPosition {
  CausePosition position;
  std::uint64_t chain = 0;
};

class InputAdmission {
 public:
  // `task`: for messages. Error: stop.
  [[nodiscard]] Result<Admission> check(const InRecord& record, const std::string& task) const;
  void applied(const InRecord& record);
  // A record was not applied because of a sequence gap: remembers up to where its senders' records are missing.
  void note_sequence_gap(const InRecord& record);

  // False: records of a sender are missing.
  [[nodiscard]] bool is_complete() const { return missing_up_to_.empty(); }
  [[nodiscard]] std::vector<MissingRange> missing() const;
  // After load(): these were missing before a restart, and still are unless the state has them.
  void expect(const std::vector<MissingRange>& missing);

  void load(const TaskState& state);
  void save(TaskState& state) const;

 private:
  [[nodiscard]] bool has(const Cause& cause) const;

  std::map<std::string, ChainPosition> senders_;
  std::map<std::string, CausePosition> missing_up_to_;  // by sender
};

}  // namespace fiverate
