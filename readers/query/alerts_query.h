// Alerts as people ask for them: the present states from `alerts`, the history from `alert-log`.
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
#include "schemas/format.h"
#include "schemas/time.h"

namespace fiverate {

// What somebody wants to see. Nothing: all. A region also stands for all below it.
struct AlertFilter {
  std::optional<std::string> brand_id;
  std::optional<std::string> region_id;
  std::optional<std::string> outlet_id;
  std::optional<std::string> rule;
  std::optional<Transition::Severity> severity;
  std::optional<Transition::State> state;

  using RegionPath = google::protobuf::RepeatedPtrField<std::string>;
  [[nodiscard]] bool wants(const Transition& transition, const RegionPath& region_path) const;
  [[nodiscard]] bool wants(const Alert& alert) const { return wants(alert.last(), alert.region_path()); }
};

inline bool is_open(const Alert& alert) {
  return alert.last().state() == Transition::FIRING;
}

// The present state of each alert. An older state that comes after a newer one is ignored.
class LatestAlerts {
 public:
  struct Entry {
    Alert alert;
    std::int32_t partition = 0;  // of its history too
  };

  // False: not an Alert, or older than what is known.
  bool apply(const InRecord& record);
  // Severest first, then by `since`, then by id.
  [[nodiscard]] std::vector<const Alert*> sorted(const std::function<bool(const Alert&)>& wanted) const;
  // Those whose id begins so, at most `most`.
  [[nodiscard]] std::vector<const Entry*> with_prefix(std::string_view prefix, std::size_t most) const;
  // Number of the last transition; 0: not known.
  [[nodiscard]] std::int64_t transitions_of(const std::string& alert_id) const;

 private:
  std::map<std::string, Entry, std::less<>> alerts_;
};

// Reads a source of `alerts` to its end.
Result<LatestAlerts> read_alerts(Source& alerts);

// One record of `alert-log`; nothing: none of ours.
std::optional<AlertLogRecord> parse_log_record(const InRecord& record);

// Reads a source of `alert-log` to its end: the records of one alert, as they were written, each once.
Result<std::vector<AlertLogRecord>> read_history(Source& alert_log, std::string_view alert_id);
// All transitions that are wanted, each once, in the order of alerts.jsonl. Memory: all of them.
Result<std::vector<Transition>> read_transitions(Source& alert_log, const AlertFilter& filter);

// Members of the transition, then acked_by, acked_at, assignee, true_alarm, comment, comment_by, silenced, actions;
// what is not said is null. One line each.
void append_json_line(const Alert& alert, const MarketCalendar& calendar, fmt::memory_buffer& out);
void append_json_line(const Action& action, const MarketCalendar& calendar, fmt::memory_buffer& out);
// As an Alert, with a member "history": transitions and actions.
void append_json_line(const Alert& alert, std::span<const AlertLogRecord> history, const MarketCalendar& calendar,
                      fmt::memory_buffer& out);

}  // namespace fiverate
