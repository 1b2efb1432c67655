// Which of several partitions is read next, so that what they hold comes by arrival: out of several lanes the one whose
// record at hand has the lowest arrival, and at the same arrival the first lane. Arrival here is the record's timestamp,
// raised to the highest that its lane has given so far; what no instant is raises nothing (see ArrivalClock).
//
//   a lane offers a record    it competes
//   a lane is at its end      it holds nobody back: what comes live passes at once
//   a lane is awaited         more of it is known to come, or nothing is known of it yet: it holds back all others, for
//                             kPatience from when the first of them had to wait; then not before it has offered again
//
// Knows of one record a lane, whatever waits behind it.
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
  using Instant = std::chrono::milliseconds;  // of a clock that only goes on, from anywhere
  static constexpr std::chrono::seconds kPatience{2};

  // All lanes are awaited.
  explicit ArrivalMerge(std::size_t lanes = 0) : lanes_(lanes) {}

  void offers(std::size_t lane, Millis timestamp) {
    auto& it = lanes_[lane];
    if (is_instant(timestamp)) it.arrival = std::max(it.arrival, timestamp);
    it.has = Has::record;
    it.awaited_since.reset();
  }
  // The record at hand of this lane was taken, or it never had one: is more to come?
  void is_empty(std::size_t lane, bool more) {
    auto& it = lanes_[lane];
    if (!more) {
      it.has = Has::nothing;
      it.awaited_since.reset();
    } else if (it.has != Has::patience_lost) {
      it.has = Has::not_yet;
    }
  }

  // The lane to take from. Nothing: none has anything, or it has to wait.
  [[nodiscard]] std::optional<std::size_t> next(Instant now) {
    std::optional<std::size_t> first;
    bool awaited = false;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      awaited |= lanes_[i].has == Has::not_yet;
      if (lanes_[i].has == Has::record && (!first || lanes_[i].arrival < lanes_[*first].arrival)) first = i;
    }
    if (!first || !awaited) return first;
    awaited = false;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      auto& it = lanes_[i];
      if (it.has != Has::not_yet) continue;
      if (!it.awaited_since) it.awaited_since = now;
      if (now - *it.awaited_since < kPatience) {
        awaited = true;
      } else {
        it.has = Has::patience_lost;
        left_behind_.push_back(i);
      }
    }
    return awaited ? std::nullopt : first;
  }

  // Those that the others went on without, since the last call; to be told.
  [[nodiscard]] std::vector<std::size_t> take_left_behind() { return std::exchange(left_behind_, {}); }

 private:
  enum class Has : std::uint8_t { record, nothing, not_yet, patience_lost };
  struct Lane {
    Has has = Has::not_yet;
    Millis arrival = kNever;  // of its record at hand, and the highest so far
    std::optional<Instant> awaited_since;
  };
  std::vector<Lane> lanes_;
  std::vector<std::size_t> left_behind_;
};

}  // namespace fiverate
