#include "readers/query/alerts_query.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_map>

#include "readers/query/alert_json.h"

namespace fiverate {
namespace {

using Json = nlohmann::ordered_json;

// A text field that is not set is null.
Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

template <typename Message>
Json true_alarm_or_null(const Message& message) {
  return message.has_true_alarm() ? Json(message.true_alarm()) : Json();
}

Json to_json(const Alert::Silenced& silence, const MarketCalendar& calendar) {
  return {{"silence_id", silence.silence_id()},
          {"starts_at", calendar.format(silence.starts_ms())},
          {"ends_at", calendar.format(silence.ends_ms())},
          {"author", text_or_null(silence.author())},
          {"text", text_or_null(silence.text())}};
}

Json to_json(const Alert& alert, const MarketCalendar& calendar) {
  auto json = to_json(alert.last(), calendar);
  json["acked_by"] = text_or_null(alert.acked_by());
  json["acked_at"] = alert.acked_by().empty() ? Json() : Json(calendar.format(alert.acked_at_ms()));
  json["assignee"] = text_or_null(alert.assignee());
  json["true_alarm"] = true_alarm_or_null(alert);
  json["comment"] = text_or_null(alert.comment());
  json["comment_by"] = text_or_null(alert.comment_by());
  auto& silenced = json["silenced"] = Json::array();
  for (const auto& silence : alert.silenced()) silenced.push_back(to_json(silence, calendar));
  json["actions"] = alert.actions();
  return json;
}

Json to_json(const Action& action, const MarketCalendar& calendar) {
  Json json{{"alert_id", action.alert_id()},
            {"action", action.number()},
            {"command_id", text_or_null(action.command_id())},
            {"author", text_or_null(action.author())},
            {"verb", text_or_null(action.verb())},
            {"at", calendar.format(action.at_ms())},
            {"assignee", text_or_null(action.assignee())},
            {"true_alarm", true_alarm_or_null(action)},
            {"text", text_or_null(action.text())}};
  if (action.has_silence()) json["silence"] = to_json(action.silence(), calendar);
  return json;
}

// The values that the keys of a topic have: a second value of a key is ignored, a repetition has the same one.
class FirstValues {
 public:
  explicit FirstValues(ResultRecords& results) : results_(results) {}
  // True for the first record of its key.
  bool add(const InRecord& record) {
    const auto value = chained(0, "", record.value);
    const auto [known, added] = values_.try_emplace(std::string(record.key), value);
    if (!added && known->second != value) results_.ignore(record, "another record of its key came before");
    return added;
  }

 private:
  ResultRecords& results_;
  std::unordered_map<std::string, std::uint64_t> values_;
};

}  // namespace

bool AlertFilter::matches(const Transition& transition, const RegionPath& region_path) const {
  const auto equal = [](const auto& condition, const auto& value) { return !condition || *condition == value; };
  return equal(brand_id, transition.brand_id()) && equal(outlet_id, transition.outlet_id()) &&
         equal(rule, transition.rule()) && equal(severity, transition.severity()) && equal(state, transition.state()) &&
         (!region_id || *region_id == transition.region_id() ||
          std::find(region_path.begin(), region_path.end(), *region_id) != region_path.end());
}

bool LatestAlerts::apply(const InRecord& record, ResultRecords& results) {
  Alert alert;
  if (!alert.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())) || !alert.has_last()) {
    results.ignore(record, "its value is no alert");
    return false;
  }
  auto& known = alerts_[alert.last().alert_id()];
  if (std::tuple(alert.transitions(), alert.actions()) < std::tuple(known.alert.transitions(), known.alert.actions())) {
    return false;
  }
  known = {std::move(alert), record.input.partition};
  return true;
}

std::vector<const Alert*> LatestAlerts::sorted(const std::function<bool(const Alert&)>& filter) const {
  std::vector<const Alert*> alerts;
  for (const auto& [alert_id, entry] : alerts_) {
    if (filter(entry.alert)) alerts.push_back(&entry.alert);
  }
  std::stable_sort(alerts.begin(), alerts.end(), [](const Alert* a, const Alert* b) {
    return std::tuple(-a->last().severity(), a->last().since_ms()) <
           std::tuple(-b->last().severity(), b->last().since_ms());
  });
  return alerts;
}

std::vector<const LatestAlerts::Entry*> LatestAlerts::with_prefix(std::string_view prefix, std::size_t limit) const {
  std::vector<const Entry*> found;
  for (auto at = alerts_.lower_bound(prefix);
       at != alerts_.end() && at->first.starts_with(prefix) && found.size() < limit; ++at) {
    found.push_back(&at->second);
  }
  return found;
}

std::int64_t LatestAlerts::transitions_of(const std::string& alert_id) const {
  const auto known = alerts_.find(alert_id);
  return known == alerts_.end() ? 0 : known->second.alert.transitions();
}

Result<LatestAlerts> read_alerts(Source& alerts, ResultRecords& results) {
  LatestAlerts latest;
  TRY(read_to_end(alerts, results, [&](const InRecord& record) { latest.apply(record, results); }));
  return latest;
}

std::optional<AlertLogRecord> parse_log_record(const InRecord& record, ResultRecords& results) {
  AlertLogRecord parsed;
  if (parsed.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())) &&
      parsed.body_case() != AlertLogRecord::BODY_NOT_SET) {
    return parsed;
  }
  results.ignore(record, "its value is neither a transition nor an action");
  return std::nullopt;
}

Result<std::vector<AlertLogRecord>> read_history(Source& alert_log, ResultRecords& results, std::string_view alert_id) {
  std::vector<AlertLogRecord> history;
  FirstValues first(results);
  TRY(read_to_end(alert_log, results, [&](const InRecord& record) {
    auto parsed = parse_log_record(record, results);
    if (!parsed) return;
    const auto& id = parsed->has_action() ? parsed->action().alert_id() : parsed->transition().alert_id();
    if (id == alert_id && first.add(record)) history.push_back(std::move(*parsed));
  }));
  return history;
}

Result<std::vector<Transition>> read_transitions(Source& alert_log, ResultRecords& results, const AlertFilter& filter) {
  std::vector<Transition> transitions;
  FirstValues first(results);
  TRY(read_to_end(alert_log, results, [&](const InRecord& record) {
    auto parsed = parse_log_record(record, results);
    if (!parsed || !parsed->has_transition() || !filter.matches(parsed->transition(), parsed->region_path())) return;
    if (first.add(record)) transitions.push_back(std::move(*parsed->mutable_transition()));
  }));
  sort_canonically(transitions);
  return transitions;
}

void append_json_line(const Alert& alert, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  append_json_line(to_json(alert, calendar), out);
}

void append_json_line(const Action& action, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  append_json_line(to_json(action, calendar), out);
}

void append_json_line(const Alert& alert, std::span<const AlertLogRecord> history, const MarketCalendar& calendar,
                      fmt::memory_buffer& out) {
  auto json = to_json(alert, calendar);
  auto& records = json["history"] = Json::array();
  for (const auto& record : history) {
    records.push_back(record.has_action() ? to_json(record.action(), calendar)
                                          : to_json(record.transition(), calendar));
  }
  append_json_line(json, out);
}

}  // namespace fiverate
