// Merges several partitions by arrival: the next record is the one with the lowest arrival among the heads of all partitions; of equal
// arrivals, the one of the first partition. Arrival is the record's timestamp, raised to the highest one that its partition has had so far.
// A timestamp that is no valid instant does not raise it (stages/ingress.h).
//
//   a partition has a head        its record competes with the other heads
//   a partition is at its end     the others do not wait for it, so live records pass at once
//   a partition is expected       it has more records that have not arrived yet, or its end is unknown: the others wait for it, at most
//                                 kStallTimeout from when the first one had to wait. After that they continue without it until it has a
//                                 head again
//
// Only the head of each partition is known here; the caller keeps the records.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "schemas/instant.h"

namespace fiverate {

class ArrivalMerge {
 public:
  using Instant = std::chrono::milliseconds;  // of a monotonic clock
  static constexpr std::chrono::seconds kStallTimeout{2};

  // At first all partitions are expected.
  explicit ArrivalMerge(std::size_t partitions = 0) : partitions_(partitions) {}

  // The next record of this partition is available and has this timestamp.
  void set_head(std::size_t partition, Millis timestamp) {
    auto& it = partitions_[partition];
    if (is_instant(timestamp)) it.arrival = std::max(it.arrival, timestamp);
    it.state = State::has_head;
    it.expected_since.reset();
  }
  // No record of this partition is available. `more`: its log has more records, or may have.
  void set_empty(std::size_t partition, bool more) {
    auto& it = partitions_[partition];
    if (!more) {
      it.state = State::at_end;
      it.expected_since.reset();
    } else if (it.state != State::stalled) {
      it.state = State::expected;
    }
  }

  // The partition whose head comes next. Nothing: no partition has a head, or the heads have to wait for another partition.
  [[nodiscard]] std::optional<std::size_t> next(Instant now) {
    std::optional<std::size_t> first;
    bool waits = false;
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
      waits |= partitions_[i].state == State::expected;
      if (partitions_[i].state == State::has_head && (!first || partitions_[i].arrival < partitions_[*first].arrival))
        first = i;
    }
    if (!first || !waits) return first;
    waits = false;
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
      auto& it = partitions_[i];
      if (it.state != State::expected) continue;
      if (!it.expected_since) it.expected_since = now;
      if (now - *it.expected_since < kStallTimeout) {
        waits = true;
      } else {
        it.state = State::stalled;
        stalled_.push_back(i);
      }
    }
    return waits ? std::nullopt : first;
  }

  // The partitions that have stalled since the last call.
  [[nodiscard]] std::vector<std::size_t> drain_stalled() { return std::exchange(stalled_, {}); }

 private:
  enum class State : std::uint8_t { has_head, at_end, expected, stalled };
  struct Partition {
    State state = State::expected;
    Millis arrival = kNever;  // of its head; the highest so far
    std::optional<Instant> expected_since;
  };
  std::vector<Partition> partitions_;
  std::vector<std::size_t> stalled_;
};

}  // namespace fiverate
