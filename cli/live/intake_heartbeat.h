// The clock of intake: tells the ledger how far the source partitions of this worker are read, and with clock = wall writes the
// marks into them. The only place behind the door of the house that looks at a clock.
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
  static constexpr std::chrono::milliseconds kProgressEvery{1000};  // while something moves
  // In the first seconds with other source partitions than before: those who begin again wait for the first progress that tells of
  // what came since.
  static constexpr std::chrono::milliseconds kProgressAtFirst{200};
  static constexpr std::chrono::seconds kAtFirst{3};
  static constexpr std::chrono::seconds kIdleProgressEvery{10};  // else
  static constexpr std::chrono::seconds kMarkEvery{1};

  IntakeHeartbeat(const Definition& definition, IntakeClock clock, Sink& sink)
      : clock_(clock), sink_(sink), book_(definition) {}

  Result<void> operator()(const std::map<Input, Seat>& seats) {
    for (const auto& input : mine_) {
      if (!seats.contains(input)) book_.forget(input);
    }
    const auto now = std::chrono::steady_clock::now();
    const auto before = std::exchange(mine_, {});
    for (const auto& [input, seat] : seats) {
      mine_.insert(input);
      if (!seat.task->changed()) book_.acknowledge(input, seat.op->clock(), seat.task->acknowledged());
    }
    if (mine_ != before) began_ = now;
    if (clock_ == IntakeClock::wall && now - marked_ >= kMarkEvery) {
      marked_ = now;
      FIVERATE_TRY(mark());
    }
    const auto every = now - began_ < kAtFirst ? kProgressAtFirst : kProgressEvery;
    if (now - told_ < (book_.moved() ? every : kIdleProgressEvery)) return {};
    const bool again = now - told_all_ >= kIdleProgressEvery;
    const auto progress = book_.take(again);
    if (!progress.empty() && again) told_all_ = now;
    if (!progress.empty()) told_ = now;  // the first goes out as soon as something is known
    for (const auto& record : progress) {
      FIVERATE_TRY(sink_.send(record));
      failpoint("progress.told");
    }
    return {};
  }

 private:
  Result<void> mark() {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    for (const auto& input : mine_) {
      FIVERATE_TRY(sink_.send({input.topic, input.partition, now, "", mark_value(now), std::nullopt, std::nullopt}));
    }
    return {};
  }

  IntakeClock clock_;
  Sink& sink_;
  ProgressBook book_;
  std::set<Input> mine_;
  std::chrono::steady_clock::time_point began_{};
  std::chrono::steady_clock::time_point told_{};
  std::chrono::steady_clock::time_point told_all_{};
  std::chrono::steady_clock::time_point marked_{};
};

}  // namespace fiverate
