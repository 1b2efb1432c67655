// Writes progress records of intake to the ledger: how far this worker has read and acknowledged its source partitions, and which records
// are held. It also writes marks to the source partitions that are on the wall clock.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "processors/stages/progress.h"
#include "processors/stream/task_context.h"

namespace fiverate {

class ProgressReporter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kEvery{1000};  // while a position changes
  // For kAtFirst after an assignment: restarted tasks wait for the first progress that covers the records received meanwhile.
  static constexpr std::chrono::milliseconds kEveryAtFirst{200};
  static constexpr std::chrono::seconds kAtFirst{3};
  static constexpr std::chrono::seconds kEveryIdle{10};
  static constexpr std::chrono::seconds kMarkEvery{1};
  // A record that is held for so long is reported. After days without data in the whole market records are held, but decided sooner.
  static constexpr std::chrono::seconds kHeldFor{5};

  // The sink outlives this.
  ProgressReporter(const Definition& definition, Sink& sink, std::function<Millis()> wall_clock,
                   std::function<Time()> now, std::chrono::milliseconds held_for = kHeldFor)
      : sink_(sink),
        wall_clock_(std::move(wall_clock)),
        now_(std::move(now)),
        held_for_(held_for),
        progress_(definition) {}

  [[nodiscard]] Result<void> report(const Tasks& tasks);

 private:
  void report_hold(const Input& input, const JumpGuard& guard);
  [[nodiscard]] Result<void> write_marks(const Tasks& tasks);

  Sink& sink_;
  std::function<Millis()> wall_clock_;
  std::function<Time()> now_;
  std::chrono::milliseconds held_for_;
  ProgressTracker progress_;
  std::set<Input> inputs_;
  std::map<Input, std::pair<std::int64_t, Time>>
      held_since_;  // the offset that is held, and the time when it was seen first
  Time assigned_{};
  Time reported_{};
  Time reported_all_{};
  Time marked_{};
};

}  // namespace fiverate
