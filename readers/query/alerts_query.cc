#include "readers/query/alerts_query.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <tuple>

#include "readers/query/alert_json.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

void append_next_name(std::string_view name, fmt::memory_buffer& out) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":", name);
}

// An empty text is one that nobody has said.
void append_text(std::string_view name, std::string_view text, fmt::memory_buffer& out) {
  append_next_name(name, out);
  if (text.empty()) {
    append("null", out);
  } else {
    append_json_string(text, out);
  }
}

void append_flag(std::string_view name, const std::optional<bool>& flag, fmt::memory_buffer& out) {
  append_next_name(name, out);
  append(!flag ? "null" : *flag ? "true" : "false", out);
}

void append_silence(const Alert::Silenced& silence, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  append("{\"silence_id\":", out);
  append_json_string(silence.silence_id(), out);
  append_text("starts_at", calendar.format(silence.starts_ms()), out);
  append_text("ends_at", calendar.format(silence.ends_ms()), out);
  append_text("author", silence.author(), out);
  append_text("text", silence.text(), out);
  out.push_back('}');
}

void append_fields(const Alert& alert, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  append_json_fields(alert.last(), calendar, out);
  append_text("acked_by", alert.acked_by(), out);
  append_text("acked_at", alert.acked_by().empty() ? std::string{} : calendar.format(alert.acked_at_ms()), out);
  append_text("assignee", alert.assignee(), out);
  append_flag("true_alarm", alert.has_true_alarm() ? std::optional(alert.true_alarm()) : std::nullopt, out);
  append_text("comment", alert.comment(), out);
  append_text("comment_by", alert.comment_by(), out);
  append_next_name("silenced", out);
  out.push_back('[');
  for (int i = 0; i < alert.silenced_size(); ++i) {
    if (i > 0) out.push_back(',');
    append_silence(alert.silenced(i), calendar, out);
  }
  append("]", out);
  append_next_name("actions", out);
  fmt::format_to(std::back_inserter(out), "{}", alert.actions());
}

void append_object(const Action& action, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  append("{\"alert_id\":", out);
  append_json_string(action.alert_id(), out);
  append_next_name("action", out);
  fmt::format_to(std::back_inserter(out), "{}", action.number());
  append_text("command_id", action.command_id(), out);
  append_text("author", action.author(), out);
  append_text("verb", action.verb(), out);
  append_text("at", calendar.format(action.at_ms()), out);
  append_text("assignee", action.assignee(), out);
  append_flag("true_alarm", action.has_true_alarm() ? std::optional(action.true_alarm()) : std::nullopt, out);
  append_text("text", action.text(), out);
  if (action.has_silence()) {
    append_next_name("silence", out);
    append_silence(action.silence(), calendar, out);
  }
  out.push_back('}');
}

template <typename Visit>
Result<void> read_all(Source& source, Visit&& visit) {
  std::vector<InRecord> records;
  while (!source.finished()) {
    records.clear();
    TRY(source.poll(std::chrono::milliseconds(100), records));
    for (const auto& record : records) visit(record);
  }
  return {};
}

}  // namespace

bool AlertFilter::wants(const Transition& transition, const RegionPath& region_path) const {
  const auto equal = [](const auto& wanted, const auto& is) { return !wanted || *wanted == is; };
  return equal(brand_id, transition.brand_id()) && equal(outlet_id, transition.outlet_id()) &&
         equal(rule, transition.rule()) && equal(severity, transition.severity()) && equal(state, transition.state()) &&
         (!region_id || *region_id == transition.region_id() ||
          std::find(region_path.begin(), region_path.end(), *region_id) != region_path.end());
}

bool LatestAlerts::apply(const InRecord& record) {
  Alert alert;
  if (!alert.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())) || !alert.has_last())
    return false;
  auto& known = alerts_[alert.last().alert_id()];
  if (std::tuple(alert.transitions(), alert.actions()) < std::tuple(known.alert.transitions(), known.alert.actions())) {
    return false;
  }
  known = {std::move(alert), record.input.partition};
  return true;
}

std::vector<const Alert*> LatestAlerts::sorted(const std::function<bool(const Alert&)>& wanted) const {
  std::vector<const Alert*> alerts;
  for (const auto& [alert_id, entry] : alerts_) {
    if (wanted(entry.alert)) alerts.push_back(&entry.alert);
  }
  std::stable_sort(alerts.begin(), alerts.end(), [](const Alert* a, const Alert* b) {
    return std::tuple(-a->last().severity(), a->last().since_ms()) <
           std::tuple(-b->last().severity(), b->last().since_ms());
  });
  return alerts;
}

std::vector<const LatestAlerts::Entry*> LatestAlerts::with_prefix(std::string_view prefix, std::size_t most) const {
  std::vector<const Entry*> found;
  for (auto at = alerts_.lower_bound(prefix);
       at != alerts_.end() && at->first.starts_with(prefix) && found.size() < most; ++at) {
    found.push_back(&at->second);
  }
  return found;
}

std::int64_t LatestAlerts::transitions_of(const std::string& alert_id) const {
  const auto known = alerts_.find(alert_id);
  return known == alerts_.end() ? 0 : known->second.alert.transitions();
}

Result<LatestAlerts> read_alerts(Source& alerts) {
  LatestAlerts latest;
  TRY(read_all(alerts, [&](const InRecord& record) { latest.apply(record); }));
  return latest;
}

std::optional<AlertLogRecord> parse_log_record(const InRecord& record) {
  AlertLogRecord parsed;
  if (!parsed.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) return std::nullopt;
  if (parsed.body_case() == AlertLogRecord::BODY_NOT_SET) return std::nullopt;
  return parsed;
}

Result<std::vector<AlertLogRecord>> read_history(Source& alert_log, std::string_view alert_id) {
  std::vector<AlertLogRecord> history;
  std::set<std::string, std::less<>> keys;  // a crash may have repeated some
  TRY(read_all(alert_log, [&](const InRecord& record) {
    auto parsed = parse_log_record(record);
    if (!parsed) return;
    const auto& id = parsed->has_action() ? parsed->action().alert_id() : parsed->transition().alert_id();
    if (id == alert_id && keys.emplace(record.key).second) history.push_back(std::move(*parsed));
  }));
  return history;
}

Result<std::vector<Transition>> read_transitions(Source& alert_log, const AlertFilter& filter) {
  std::vector<Transition> transitions;
  std::set<std::pair<std::string, std::int64_t>> known;
  TRY(read_all(alert_log, [&](const InRecord& record) {
    auto parsed = parse_log_record(record);
    if (!parsed || !parsed->has_transition() || !filter.wants(parsed->transition(), parsed->region_path())) return;
    auto& transition = *parsed->mutable_transition();
    if (known.emplace(transition.alert_id(), transition.transition()).second)
      transitions.push_back(std::move(transition));
  }));
  sort_canonically(transitions);
  return transitions;
}

void append_json_line(const Alert& alert, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  out.push_back('{');
  append_fields(alert, calendar, out);
  append("}\n", out);
}

void append_json_line(const Action& action, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  append_object(action, calendar, out);
  out.push_back('\n');
}

void append_json_line(const Alert& alert, std::span<const AlertLogRecord> history, const MarketCalendar& calendar,
                      fmt::memory_buffer& out) {
  out.push_back('{');
  append_fields(alert, calendar, out);
  append_next_name("history", out);
  out.push_back('[');
  bool first = true;
  for (const auto& record : history) {
    if (!first) out.push_back(',');
    first = false;
    if (record.has_action()) {
      append_object(record.action(), calendar, out);
    } else {
      out.push_back('{');
      append_json_fields(record.transition(), calendar, out);
      out.push_back('}');
    }
  }
  append("]}\n", out);
}

}  // namespace fiverate
