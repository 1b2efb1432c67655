#include "processors/stages/data_quality_alerts.h"

#include <algorithm>

#include "processors/stages/state_codec.h"
#include "processors/stream/state_table.h"

namespace fiverate {
namespace {

constexpr std::string_view kDataQualityKey = "quality";

}  // namespace

// ---- state ----------------------------------------------------------------------------------------------------------

Result<void> DataQualityAlerts::open(const Store& store) {
  TRY_VALUE(saved, store.get(kDataQualityKey));
  if (!saved) return {};
  DataQualityState state;
  if (!state.ParseFromString(*saved)) return damaged(store);
  closed_ = Day{state.closed_day()};
  for (const auto& one : state.outcomes()) outcomes_[Day{one.day()}][one.topic()] = {one.documents(), one.rejected()};
  for (const auto& one : state.waiting()) waiting_.emplace_back(Day{one.day()}, one.holds());
  for (const auto& one : state.alerts()) {
    auto& alert = alert_of(one.topic());
    alert.published = load(one.published());
    alert.share = load(one.share());
  }
  for (const auto& one : state.holds().records()) alert_of(one.topic()).held.push_back({one.partition(), one.offset()});
  return {};
}

void DataQualityAlerts::save(StoreBatch& batch) {
  if (!std::exchange(changed_, false)) return;
  DataQualityState state;
  state.set_closed_day(closed_.number);
  for (const auto& [day, topics] : outcomes_) {
    for (const auto& [topic, outcomes] : topics) {
      auto& one = *state.add_outcomes();
      one.set_topic(topic);
      one.set_day(day.number);
      one.set_documents(outcomes.documents);
      one.set_rejected(outcomes.rejected);
    }
  }
  for (const auto& [day, holds] : waiting_) {
    auto& one = *state.add_waiting();
    one.set_day(day.number);
    *one.mutable_holds() = holds;
  }
  for (const auto& [topic, alert] : alerts_) {
    auto& one = *state.add_alerts();
    one.set_topic(topic);
    fiverate::save(alert.published, *one.mutable_published());
    fiverate::save(alert.share, *one.mutable_share());
    for (const auto& record : alert.held) {
      auto& held = *state.mutable_holds()->add_records();
      held.set_topic(topic);
      held.set_partition(record.partition);
      held.set_offset(record.offset);
    }
  }
  batch.put(std::string(kDataQualityKey), state.SerializeAsString());
}

SourceTopicAlert& DataQualityAlerts::alert_of(const std::string& topic) {
  auto& alert = alerts_[topic];
  alert.topic = topic;
  return alert;
}

// ---- records and closes ---------------------------------------------------------------------------------------------

void DataQualityAlerts::add(const DataQuality& quality, Day closed_before, Day closed) {
  for (const auto& one : quality.outcomes()) {
    if (Day{one.day()} <= closed_before) continue;
    auto& outcomes = outcomes_[Day{one.day()}][one.topic()];
    outcomes.documents += one.documents();
    outcomes.rejected += one.rejected();
    changed_ = true;
  }
  if (!quality.has_holds()) return;
  waiting_.emplace_back(closed, quality.holds());
  changed_ = true;
}

std::vector<Transition> DataQualityAlerts::close_days_to(Day day) {
  Transitions transitions;
  for (auto next = next_day(day); next != kNoDay; next = next_day(day)) close_day(next, transitions);
  apply_holds_after(day - 1, transitions);
  if (closed_ < day) {
    closed_ = day;
    changed_ = true;
  }
  return transitions;
}

std::vector<Transition> DataQualityAlerts::evaluate_holds_after(Day day) {
  Transitions transitions;
  apply_holds_after(day, transitions);
  return transitions;
}

// While a share fires, each day is evaluated; otherwise only the days with documents.
Day DataQualityAlerts::next_day(Day last) const {
  auto next = outcomes_.empty() ? kEndOfDays : outcomes_.begin()->first;
  if (std::ranges::any_of(alerts_, [](const auto& one) { return one.second.share.firing; }))
    next = std::min(next, closed_ + 1);
  return next <= last ? next : kNoDay;
}

void DataQualityAlerts::close_day(Day day, Transitions& transitions) {
  apply_holds_after(day - 1, transitions);
  const DayClose close{day, calendar_.end_of(day)};
  auto outcomes = std::move(outcomes_[day]);
  outcomes_.erase(day);
  closed_ = day;
  changed_ = true;
  if (close.at >= until_) return;
  for (const auto& [topic, counts] : outcomes) alert_of(topic);
  for (auto& [topic, alert] : alerts_) {
    if (auto transition = fiverate::close_day(alert, close, outcomes[topic], evidence_window_))
      transitions.push_back(std::move(*transition));
  }
}

// The holds that came up to the close after `last`, in order.
void DataQualityAlerts::apply_holds_after(Day last, Transitions& transitions) {
  while (!waiting_.empty() && waiting_.front().first <= last) {
    const auto holds = std::move(waiting_.front().second);
    waiting_.erase(waiting_.begin());
    changed_ = true;
    std::map<std::string, std::vector<HeldRecord>> held;
    for (const auto& record : holds.records()) held[record.topic()].push_back({record.partition(), record.offset()});
    for (const auto& [topic, records] : held) alert_of(topic);
    for (auto& [topic, alert] : alerts_) {
      if (auto transition = change_held(alert, std::move(held[topic]), holds.at_ms()))
        transitions.push_back(std::move(*transition));
    }
  }
}

}  // namespace fiverate
