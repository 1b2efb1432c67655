// Reports the foreign records that tasks skip: the first ones at once, then at most one line in kEvery for each task.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "processors/stream/report.h"
#include "processors/stream/task_context.h"

namespace fiverate {

// "outlet/0 skipped 3 records of ledger partition 0 that fiverate did not write, the last at offset 17: it has no cause." `skipped`: at least 1.
inline std::string skipped_sentence(std::string_view task, const Input& input, std::int64_t skipped,
                                    const ForeignRecords& foreign) {
  return fmt::format("{} skipped {} of {} partition {} that fiverate did not write, {} offset {}: {}.", task,
                     skipped == 1 ? "a record" : fmt::format("{} records", skipped), name_of(input.topic),
                     input.partition, skipped == 1 ? "at" : "the last at", foreign.last_offset(),
                     foreign.last_reason());
}

class ForeignRecordMonitor {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kEvery{10};

  explicit ForeignRecordMonitor(Report report) : report_(std::move(report)) {}

  void check(const Tasks& tasks, Time now) {
    std::erase_if(reported_, [&](const auto& one) { return !tasks.contains(one.first); });
    for (const auto& [input, context] : tasks) {
      const auto& task = *context.task;
      const auto count = task.counters().foreign;
      auto& reported = reported_[input];
      if (count < reported.count) reported = {};  // another task: its partition was revoked and assigned again
      if (count == reported.count || (reported.at && now - *reported.at < kEvery)) continue;
      report_(Severity::warning, skipped_sentence(task.name(), input, count - reported.count, task.foreign()));
      reported = {count, now};
    }
  }

 private:
  struct Reported {
    std::int64_t count = 0;
    std::optional<Time> at = {};
  };
  Report report_;
  std::map<Input, Reported> reported_;
};

}  // namespace fiverate
