#include "cli/screen/alert_table.h"

#include <algorithm>

#include "processors/trade/rules/alert_names.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::size_t kIdShown = 8;     // a prefix that `alerts show` takes
constexpr std::size_t kTimeShown = 16;  // to the minute

TableCell said(const std::string& text) {
  return text.empty() ? TableCell(std::nullopt) : TableCell(text);
}

// "2026-03-02 12:00"
std::string minute_of(Millis instant, const MarketCalendar& calendar) {
  auto text = calendar.format(instant).substr(0, kTimeShown);
  std::replace(text.begin(), text.end(), 'T', ' ');
  return text;
}

// "+ann >bob ok": acknowledged, assigned, judged.
std::string people(const Alert& alert, Millis now) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : " ") + part; };
  if (!alert.acked_by().empty()) add("+" + alert.acked_by());
  if (!alert.assignee().empty()) add(">" + alert.assignee());
  if (alert.has_true_alarm()) add(alert.true_alarm() ? "true" : "false");
  if (is_muted(alert, now)) add("silenced");
  return text;
}

}  // namespace

std::vector<TableColumn> alert_columns(Language language) {
  std::vector<TableColumn> columns;
  for (const auto name : {Word::severity, Word::state, Word::rule, Word::what, Word::brand, Word::sku, Word::outlet,
                          Word::region, Word::since, Word::age, Word::value, Word::people, Word::alert_id}) {
    const bool number = name == Word::age || name == Word::value;
    columns.push_back({std::string(word(name, language)), number ? ColumnType::number : ColumnType::text});
  }
  return columns;
}

std::vector<TableCell> alert_cells(const Alert& alert, const MarketCalendar& calendar, Millis now, Language language) {
  const auto& last = alert.last();
  const auto until = last.state() == Transition::FIRING ? now : last.at_ms();
  return {severity_word(last.severity(), language),
          state_word(last.state(), language),
          rule_words(last.rule(), language),
          alert_sentence(last, language),
          said(last.brand_id()),
          said(last.sku_id()),
          said(last.outlet_id()),
          said(last.region_id()),
          minute_of(last.since_ms(), calendar),
          age_words(until - last.since_ms(), language),
          last.value(),
          said(people(alert, now)),
          last.alert_id().substr(0, kIdShown)};
}

std::vector<TableColumn> alert_screen_columns(Language language) {
  std::vector<TableColumn> columns;
  for (const auto name : {Word::severity, Word::what, Word::sku, Word::outlet, Word::region, Word::since}) {
    columns.push_back({std::string(word(name, language))});
  }
  return columns;
}

std::vector<TableCell> alert_screen_cells(const Alert& alert, const MarketCalendar& calendar, Millis now,
                                          Language language) {
  const auto& last = alert.last();
  return {severity_word(last.severity(), language),
          alert_words(last, now, language),
          said(last.sku_id().empty() ? last.brand_id() : last.sku_id()),
          said(last.outlet_id()),
          said(last.region_id()),
          minute_of(last.since_ms(), calendar)};
}

bool is_muted(const Alert& alert, Millis now) {
  return std::any_of(alert.silenced().begin(), alert.silenced().end(), [&](const Alert::Silenced& silence) {
    return silence.starts_ms() <= now && now < silence.ends_ms();
  });
}

RowStyle alert_style(const Alert& alert, Millis now) {
  if (alert.last().state() != Transition::FIRING || is_muted(alert, now)) return RowStyle::faint;
  if (alert.last().severity() == Transition::CRITICAL) return RowStyle::red;
  return alert.last().severity() == Transition::WARNING ? RowStyle::yellow : RowStyle::plain;
}

std::vector<TableColumn> alert_csv_columns() {
  std::vector<TableColumn> columns;
  for (const auto* name :
       {"alert_id",    "transition", "episode",   "rule",    "severity",  "state",     "at",
        "since",       "known_at",   "brand_id",  "sku_id",  "outlet_id", "region_id", "class_dimension",
        "class_value", "value",      "threshold", "unit",    "policy_id", "acked_by",  "acked_at",
        "assignee",    "true_alarm", "comment",   "silenced"}) {
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
          said(alert.acked_by()),
          alert.acked_by().empty() ? TableCell(std::nullopt) : TableCell(calendar.format(alert.acked_at_ms())),
          said(alert.assignee()),
          alert.has_true_alarm() ? TableCell(alert.true_alarm() ? "true" : "false") : TableCell(std::nullopt),
          said(alert.comment()),
          said(silences)};
}

}  // namespace fiverate
