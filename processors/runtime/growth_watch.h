// Notices source partitions that are not part of the definition: somebody has added partitions to a source topic in Kafka. Nobody reads
// their records, so no day may close without them. From then on intake reads nothing and reports no progress, until `topics extend` has
// added them to the definition and the process has been started again.
//
// The partitions are counted every kEvery, and before a record that was written after the last count moves a task's clock over a midnight.
// Producers write into a new partition only after it exists, so no day closes without records that were written before the midnight. A
// backlog is older than its count: it is counted every kEvery only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "processors/stages/topology.h"
#include "processors/stream/report.h"
#include "processors/stream/task_context.h"

namespace fiverate {

// A source topic with more partitions than the definition has.
struct UnreadPartitions {
  Topic topic = Topic::orders;
  std::int32_t in_definition = 0;
  std::int32_t in_kafka = 0;

  // False: a topic that has to have one partition. A day may close without the records of others.
  [[nodiscard]] bool can_be_added() const;
};
// Topics that are not counted are left out.
std::vector<UnreadPartitions> unread_partitions(const Definition& definition,
                                                const std::map<Topic, std::int32_t>& partitions);
// What has happened and what to do, in one line.
std::string to_text(const UnreadPartitions& unread);
inline constexpr const char* kExtendCommand = "fiverate topics extend";

class GrowthWatch {
 public:
  static constexpr std::chrono::seconds kEvery{10};
  static constexpr std::chrono::seconds kAgainAfter{1};  // an error
  static constexpr std::chrono::seconds kReportEvery{60};

  struct Parts {
    Definition definition;
    Source& source;  // outlives this
    Report report;
    std::function<std::chrono::steady_clock::time_point()> now;
  };
  explicit GrowthWatch(Parts parts) : parts_(std::move(parts)), calendar_(parts_.definition.timezone()) {}

  // Before each round: pauses the inputs of all tasks while there are unread partitions.
  void pause(const Tasks& tasks);
  // Before each report. False: no progress may be reported now, because there are unread partitions, or because they cannot be counted
  // and a day might close.
  [[nodiscard]] bool may_report(const Tasks& tasks);
  // Why intake is paused; empty: it is not.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  using Time = std::chrono::steady_clock::time_point;
  // A task at the last count.
  struct Counted {
    Day day;                  // of its clock
    std::int64_t end_offset;  // of its input, as far as it was known
  };
  [[nodiscard]] Day day_of(const TaskContext& task) const;
  // Whether the clock of each task is on the day of the last count, or all that it has read was written before the count.
  [[nodiscard]] bool is_verified(const Tasks& tasks) const;
  [[nodiscard]] std::map<Input, Counted> tasks_now(const Tasks& tasks) const;
  void evaluate(const std::map<Topic, std::int32_t>& partitions, Time now);

  Parts parts_;
  MarketCalendar calendar_;
  std::map<Input, Counted> counted_;
  std::string reason_;
  Time count_at_{};
  Time again_at_{};
  Time report_at_{};
};

}  // namespace fiverate
