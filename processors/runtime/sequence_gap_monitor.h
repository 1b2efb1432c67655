// Reports a task that waits for records of its senders for kReportAfter: a sender that starts again repeats them by itself, otherwise its
// outputs have to be published again by hand.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "processors/stream/report.h"
#include "processors/stream/task_context.h"

namespace fiverate {

class SequenceGapMonitor {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kReportAfter{60};

  explicit SequenceGapMonitor(Report report) : report_(std::move(report)) {}

  void check(const Tasks& tasks, Time now) {
    std::erase_if(known_, [&](const auto& one) { return !tasks.contains(one.first); });
    for (const auto& [input, context] : tasks) {
      const auto& task = *context.task;
      auto& known = known_[input];
      const auto count = task.counters().sequence_gaps;
      const auto missing = task.missing();
      if (missing.empty()) known = {count, std::nullopt};
      if (count == known.reported) continue;
      if (!known.since) known.since = now;
      if (now - *known.since < kReportAfter) continue;
      report_(
          Severity::warning,
          fmt::format(
              "{}: {} records are not applied, because records before them are missing. If their senders do not repeat "
              "those after a restart, stop all processes and publish them again:{}",
              task.name(), count - known.reported, commands(missing)));
      known = {count, std::nullopt};
    }
  }

 private:
  struct Known {
    std::int64_t reported = 0;
    std::optional<Time> since;
  };

  static std::string commands(const std::map<std::string, std::int64_t>& missing) {
    std::string text;
    for (const auto& [sender, offset] : missing) {
      text += fmt::format(" fiverate tasks reset {} --offset {};", task_argument(sender), offset);
    }
    text.pop_back();
    return text;
  }

  Report report_;
  std::map<Input, Known> known_;
};

}  // namespace fiverate
