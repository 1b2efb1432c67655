#include "cli/screen/alert_table.h"

#include <algorithm>

#include "cli/screen/alert_sentence.h"
#include "processors/trade/rules/alert_names.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::size_t kIdShown = 8;  // `alerts show` accepts such a prefix

TableCell optional_text(const std::string& text) {
  return text.empty() ? TableCell(std::nullopt) : TableCell(text);
}

// "acked by ann, owner bob, confirmed"
std::string handling_text(const Alert& alert, Millis now, Language language) {
  std::string text;
  const auto add = [&](const Translations& part, const std::string& name = {}) {
    if (!text.empty()) text += in(language, {", ", "，"});
    text += fmt::format(fmt::runtime(in(language, part)), name);
  };
  if (!alert.acked_by().empty()) add({"acked by {}", "{} 已受理"}, alert.acked_by());
  if (!alert.assignee().empty()) add({"owner {}", "负责人 {}"}, alert.assignee());
  if (alert.has_true_alarm()) {
    add(alert.true_alarm() ? Translations{"confirmed", "属实"} : Translations{"false alarm", "误报"});
  }
  if (is_silenced(alert, now)) add({"silenced", "已静默"});
  return text;
}

}  // namespace

std::vector<TableColumn> alert_columns(Language language) {
  std::vector<TableColumn> columns;
  for (const auto name : {Label::severity, Label::state, Label::rule, Label::details, Label::brand, Label::sku,
                          Label::outlet, Label::region, Label::since, Label::age, Label::handling, Label::alert_id}) {
    columns.push_back({std::string(label(name, language)), name == Label::age ? ColumnType::number : ColumnType::text});
  }
  return columns;
}

std::vector<TableCell> alert_cells(const Alert& alert, const MarketCalendar& calendar, Millis now, Language language) {
  const auto& last = alert.last();
  const auto until = last.state() == Transition::FIRING ? now : last.at_ms();
  return {severity_text(last.severity(), language),
          state_text(last.state(), language),
          rule_text(last.rule(), language),
          alert_sentence(last, calendar, language),
          optional_text(last.brand_id()),
          optional_text(last.sku_id()),
          optional_text(last.outlet_id()),
          optional_text(last.region_id()),
          minute_text(last.since_ms(), calendar),
          age_text(until - last.since_ms(), language),
          optional_text(handling_text(alert, now, language)),
          last.alert_id().substr(0, kIdShown)};
}

std::vector<TableColumn> alert_screen_columns(Language language) {
  std::vector<TableColumn> columns;
  for (const auto name : {Label::severity, Label::details, Label::sku, Label::outlet, Label::region, Label::since}) {
    columns.push_back({std::string(label(name, language))});
  }
  return columns;
}

std::vector<TableCell> alert_screen_cells(const Alert& alert, const MarketCalendar& calendar, Millis now,
                                          Language language) {
  const auto& last = alert.last();
  return {severity_text(last.severity(), language),
          alert_status(last, calendar, now, language),
          optional_text(last.sku_id().empty() ? last.brand_id() : last.sku_id()),
          optional_text(last.outlet_id()),
          optional_text(last.region_id()),
          minute_text(last.since_ms(), calendar)};
}

bool is_silenced(const Alert& alert, Millis now) {
  return std::any_of(alert.silenced().begin(), alert.silenced().end(), [&](const Alert::Silenced& silence) {
    return silence.starts_ms() <= now && now < silence.ends_ms();
  });
}

RowStyle alert_style(const Alert& alert, Millis now) {
  if (alert.last().state() != Transition::FIRING || is_silenced(alert, now)) return RowStyle::faint;
  if (alert.last().severity() == Transition::CRITICAL) return RowStyle::red;
  return alert.last().severity() == Transition::WARNING ? RowStyle::yellow : RowStyle::plain;
}

std::vector<TableColumn> alert_csv_columns() {
  std::vector<TableColumn> columns;
  for (const auto* name :
       {"alert_id",    "transition", "episode",   "rule",     "severity",    "state",     "at",
        "since",       "known_at",   "brand_id",  "sku_id",   "outlet_id",   "region_id", "class_dimension",
        "class_value", "value",      "threshold", "unit",     "policy_id",   "acked_by",  "acked_at",
        "assignee",    "true_alarm", "comment",   "silenced", "source_topic"}) {
    columns.push_back({name});
  }
  return columns;
}

std::vector<TableCell> alert_csv_cells(const Alert& alert, const MarketCalendar& calendar) {
  const auto& t = alert.last();
  std::string silences;
  for (const auto& silence : alert.silenced()) silences += (silences.empty() ? "" : " ") + silence.silence_id();
  return {t.alert_id(),
          t.transition(),
          t.episode(),
          t.rule(),
          name_of(t.severity()),
          name_of(t.state()),
          calendar.format(t.at_ms()),
          calendar.format(t.since_ms()),
          calendar.format(t.known_at_ms()),
          t.brand_id(),
          t.sku_id(),
          t.outlet_id(),
          t.region_id(),
          t.class_dimension(),
          t.class_value(),
          t.value(),
          t.threshold(),
          t.unit(),
          t.policy_id(),
          optional_text(alert.acked_by()),
          alert.acked_by().empty() ? TableCell(std::nullopt) : TableCell(calendar.format(alert.acked_at_ms())),
          optional_text(alert.assignee()),
          alert.has_true_alarm() ? TableCell(alert.true_alarm() ? "true" : "false") : TableCell(std::nullopt),
          optional_text(alert.comment()),
          optional_text(silences),
          optional_text(t.source_topic())};
}

}  // namespace fiverate
