// Notices the sequence gaps that stand for kStandsAfter: a sender that starts again repeats its records by itself, otherwise they have to be
// published again by hand. A standing sequence gap is in TaskContext, for health checks and for the group; the log has its beginning and its end.
#pragma once

#include <chrono>
#include <map>
#include <utility>

#include "processors/stream/report.h"
#include "processors/stream/task_context.h"

namespace fiverate {

class SequenceGapMonitor {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kStandsAfter{10};

  explicit SequenceGapMonitor(Report report) : report_(std::move(report)) {}

  void check(Tasks& tasks, Time now) {
    std::erase_if(waiting_, [&](const auto& one) { return !tasks.contains(one.first); });
    for (auto& [input, context] : tasks) {
      auto& task = *context.task;
      if (task.is_complete()) {
        waiting_.erase(input);
        if (std::exchange(context.missing_for_long, {}).empty()) continue;
        report_(Severity::info, fmt::format("{}: the missing records have come. It continues.", task.name()));
        continue;
      }
      auto& [since, is_reported] = waiting_.try_emplace(input, Waiting{now}).first->second;
      const bool stands = now - since >= kStandsAfter;
      // After a restart a sequence gap that stood before continues to stand.
      if (stands || !context.missing_for_long.empty()) context.missing_for_long = task.missing();
      if (!stands || std::exchange(is_reported, true)) continue;
      report_(
          Severity::warning,
          fmt::format("{} has waited {} s for missing records: those caused by {}. Its results stand still. If their "
                      "senders do not repeat them after a restart, stop all processes, run `{}`, and start again.",
                      task.name(), kStandsAfter.count(), sentence_part(context.missing_for_long), kMendCommand));
    }
  }

 private:
  struct Waiting {
    Time since;
    bool is_reported = false;
  };
  Report report_;
  std::map<Input, Waiting> waiting_;
};

}  // namespace fiverate
