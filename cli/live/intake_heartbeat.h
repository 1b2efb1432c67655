// Sends the progress records of the source partitions that this worker owns, and with clock = wall the marks into these
// partitions. It is the only part of the processors that reads the wall clock.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "cli/config/config.h"
#include "processors/edge/history_source.h"
#include "processors/stages/progress.h"
#include "processors/stream/failpoint.h"
#include "processors/stream/seat.h"

namespace fiverate {

class IntakeHeartbeat {
 public:
  static constexpr std::chrono::milliseconds kProgressEvery{1000};  // while something changes
  static constexpr std::chrono::seconds kIdleProgressEvery{10};     // otherwise
  // For some seconds after the owned partitions have changed: tasks that restart detect a sequence gap by the first
  // progress record.
  static constexpr std::chrono::milliseconds kProgressAfterAssignment{200};
  static constexpr std::chrono::seconds kAfterAssignment{3};
  static constexpr std::chrono::seconds kMarkEvery{1};

  IntakeHeartbeat(const Definition& definition, IntakeClock clock, Sink& sink)
      : clock_(clock), sink_(sink), progress_(definition) {}

  Result<void> operator()(const std::map<Input, Seat>& seats) {
    for (const auto& input : owned_) {
      if (!seats.contains(input)) progress_.remove(input);
    }
    const auto now = std::chrono::steady_clock::now();
    const auto before = std::exchange(owned_, {});
    for (const auto& [input, seat] : seats) {
      owned_.insert(input);
      if (!seat.task->changed()) progress_.acknowledge(input, seat.op->clock(), seat.task->acknowledged());
    }
    if (owned_ != before) assigned_at_ = now;
    if (clock_ == IntakeClock::wall && now - marked_at_ >= kMarkEvery) {
      marked_at_ = now;
      FIVERATE_TRY(mark());
    }
    const auto every = now - assigned_at_ < kAfterAssignment ? kProgressAfterAssignment : kProgressEvery;
    if (now - sent_at_ < (progress_.changed() ? every : kIdleProgressEvery)) return {};
    const bool repeat = now - repeated_at_ >= kIdleProgressEvery;
    const auto records = progress_.records(repeat);
    if (records.empty()) return {};  // No partition has an arrival yet; the first one is sent at once.
    sent_at_ = now;
    if (repeat) repeated_at_ = now;
    for (const auto& record : records) {
      FIVERATE_TRY(sink_.send(record));
      failpoint("progress.told");
    }
    return {};
  }

 private:
  Result<void> mark() {
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count();
    for (const auto& input : owned_) {
      FIVERATE_TRY(sink_.send({input.topic, input.partition, now, "", mark_value(now), std::nullopt, std::nullopt}));
    }
    return {};
  }

  IntakeClock clock_;
  Sink& sink_;
  ProgressTracker progress_;
  std::set<Input> owned_;
  std::chrono::steady_clock::time_point assigned_at_{};  // when `owned_` changed last
  std::chrono::steady_clock::time_point sent_at_{};
  std::chrono::steady_clock::time_point repeated_at_{};  // when all records were sent last, also unchanged ones
  std::chrono::steady_clock::time_point marked_at_{};
};

}  // namespace fiverate
