// Queries on alerts: the present states from the topic `alerts`, the history from `alert-log`.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "alerts.pb.h"
#include "processors/stream/ports.h"
#include "readers/query/result_records.h"
#include "schemas/format.h"
#include "schemas/time.h"

namespace fiverate {

// Conditions on alerts. A condition that is not set matches all. A region matches all regions below it as well.
struct AlertFilter {
  std::optional<std::string> brand_id;
  std::optional<std::string> region_id;
  std::optional<std::string> outlet_id;
  std::optional<std::string> rule;
  std::optional<Transition::Severity> severity;
  std::optional<Transition::State> state;

  using RegionPath = google::protobuf::RepeatedPtrField<std::string>;
  [[nodiscard]] bool matches(const Transition& transition, const RegionPath& region_path) const;
  [[nodiscard]] bool matches(const Alert& alert) const { return matches(alert.last(), alert.region_path()); }
};

inline bool is_open(const Alert& alert) {
  return alert.last().state() == Transition::FIRING;
}

// The present state of each alert. An older state that is read after a newer one is ignored.
class LatestAlerts {
 public:
  struct Entry {
    Alert alert;
    std::int32_t partition = 0;  // of `alerts`; its history has the same one in `alert-log`
  };

  // False if the record is not an Alert, which is ignored, or is older than the known state.
  bool apply(const InRecord& record, ResultRecords& results);
  // Sorted by severity, highest first, then by `since`, then by id.
  [[nodiscard]] std::vector<const Alert*> sorted(const std::function<bool(const Alert&)>& filter) const;
  // The alerts whose id begins with the prefix, at most `limit`.
  [[nodiscard]] std::vector<const Entry*> with_prefix(std::string_view prefix, std::size_t limit) const;
  // The number of the last transition; 0 for an unknown alert.
  [[nodiscard]] std::int64_t transitions_of(const std::string& alert_id) const;

 private:
  std::map<std::string, Entry, std::less<>> alerts_;
};

// Reads the topic `alerts` to its end.
Result<LatestAlerts> read_alerts(Source& alerts, ResultRecords& results);

// A record of `alert-log`; nothing if it cannot be parsed, and is ignored.
std::optional<AlertLogRecord> parse_log_record(const InRecord& record, ResultRecords& results);

// Reads `alert-log` to its end. Returns the records of one alert in the order of the log, without repetitions. The first of a key counts.
Result<std::vector<AlertLogRecord>> read_history(Source& alert_log, ResultRecords& results, std::string_view alert_id);
// Reads `alert-log` to its end. Returns the matching transitions in the order of alerts.jsonl, without repetitions. All of
// them are in memory.
Result<std::vector<Transition>> read_transitions(Source& alert_log, ResultRecords& results, const AlertFilter& filter);

// Appends one line: the fields of the transition, then acked_by, acked_at, assignee, true_alarm, comment, comment_by,
// silenced, actions. Fields that are not set are null.
void append_json_line(const Alert& alert, const MarketCalendar& calendar, fmt::memory_buffer& out);
void append_json_line(const Action& action, const MarketCalendar& calendar, fmt::memory_buffer& out);
// The same with a field "history", an array of transitions and actions.
void append_json_line(const Alert& alert, std::span<const AlertLogRecord> history, const MarketCalendar& calendar,
                      fmt::memory_buffer& out);

}  // namespace fiverate
