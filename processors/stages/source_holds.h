// The records that intake holds before they would move the clock of their source partition too far (stream/jump_guard.h), as progress
// records report them. Reports may come several times, in any order, and from a process that no longer owns the partition: the highest
// offsets count.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "deltas.pb.h"
#include "ledger.pb.h"
#include "processors/stream/ports.h"
#include "state.pb.h"

namespace fiverate {

class SourceHolds {
 public:
  // `sources`: the partitions by their index in progress records.
  explicit SourceHolds(std::vector<Input> sources) : sources_(std::move(sources)) {}
  // More partitions than before. Fewer have no effect.
  void extend_to(std::vector<Input> sources);

  // True if other records are held than before.
  bool apply(const Progress& progress);
  // All records that are held, at the time `at`.
  [[nodiscard]] DataQuality::Holds records(Millis at) const;

  void save(ProgressState& state) const;
  void load(const ProgressState& state);

 private:
  std::vector<Input> sources_;
  std::map<std::int32_t, Progress::Hold> holds_;  // by source
};

}  // namespace fiverate
