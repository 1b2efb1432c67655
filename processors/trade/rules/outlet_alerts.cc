#include "processors/trade/rules/outlet_alerts.h"

#include <algorithm>

#include "processors/trade/rules/alert_id.h"

namespace fiverate {
namespace {

constexpr std::string_view kConfirmed = "R1";
constexpr std::string_view kPredicted = "R2";
constexpr std::string_view kOverstock = "R5";

void add_evidence(const EventRef& event, Transition& transition) {
  for (const auto& known : transition.evidence()) {
    if (known.event_id() == event.event_id) return;
  }
  auto& evidence = *transition.add_evidence();
  evidence.set_event_id(event.event_id);
  if (event.offset < 0) return;
  evidence.set_topic(std::string(name_of(event.topic)));
  evidence.set_partition(event.partition);
  evidence.set_offset(event.offset);
}

// Where the outlet is on a day; before its first version that one's region.
const std::string& region_on(Day day, const OutletFacts& facts, const MarketContext& context) {
  auto place = kNowhere;
  for (const auto& assignment : facts.assignments) {
    if (assignment.from > day) break;
    place = assignment.place;
  }
  return context.places.region_of(place);
}

bool was_counted(const SkuFacts& sku) {
  return sku.opening().book.accepted() ||
         std::any_of(sku.facts.begin(), sku.facts.end(), [](const Fact& fact) { return is_count(fact.kind); });
}

// What has been said of a SKU. Null: nothing can be, for the rules live on counts, and most SKUs of most shops have none.
SkuAlerts* said_of(SkuNumber sku, const OutletFacts& facts, const MarketContext& context, OutletAlerts& alerts) {
  if (context.catalogue.brand_of(sku) == kNoBrand) return nullptr;
  if (const auto said = alerts.find(sku); said != alerts.end()) return &said->second;
  const auto known = facts.skus.find(sku);
  return known != facts.skus.end() && was_counted(known->second) ? &alerts[sku] : nullptr;
}

// What one SKU of one outlet has to say at one moment.
class Judge {
 public:
  Judge(const OutletFacts& facts, SkuNumber sku, const Asking& asking, const MarketContext& context, SkuAlerts& alerts,
        std::vector<Transition>& transitions)
      : facts_(facts), sku_(sku), asking_(asking), context_(context), alerts_(alerts), transitions_(transitions) {}

  void ask() {
    alerts_.due = kNever;
    const auto known = facts_.skus.find(sku_);
    if (known == facts_.skus.end()) return;
    sku_facts_ = &known->second;
    // The rules live on counts. Most SKUs of most shops have none, and the walk over their facts would be for nothing.
    const bool firing = !alerts_.sent.empty() || alerts_.predicted || !alerts_.overstock.state.untouched();
    if (!was_counted(*sku_facts_) && !firing) return;
    activity_ = activity_of(facts_);
    today_ = context_.calendar.day_of(asking_.clock);
    confirmed_stockouts();
    predicted_stockout();
    overstock();
    alerts_.due = due_;
  }

  // Rule R5 alone, by the facts as they are.
  void ask_ended_days() {
    const auto known = facts_.skus.find(sku_);
    if (known == facts_.skus.end()) return;
    sku_facts_ = &known->second;
    today_ = context_.calendar.day_of(asking_.clock);
    if (alerts_.overstock.asked >= today_ - 1) return;
    if (!was_counted(*sku_facts_) && alerts_.overstock.state.untouched()) return;
    activity_ = activity_of(facts_);
    last_book_ = book_until(kEndOfDays, *sku_facts_);
    pass_ended_days();
  }

 private:
  void look_again(Millis moment) {
    if (moment == kOpenEnd || moment <= asking_.clock) return;
    due_ = due_ == kNever ? moment : std::min(due_, moment);
  }

  Transition& say(std::string_view rule, Transition::State state, Transition::Severity severity, std::int32_t episode,
                  std::int64_t number, Millis at, Millis since) {
    auto& transition = transitions_.emplace_back();
    const auto& sku_id = context_.catalogue.sku_id(sku_);
    transition.set_alert_id(alert_id_of({.rule = rule, .sku_id = sku_id, .outlet_id = asking_.outlet_id}));
    transition.set_transition(number);
    transition.set_episode(episode);
    transition.set_rule(std::string(rule));
    transition.set_severity(severity);
    transition.set_state(state);
    transition.set_at_ms(at);
    transition.set_since_ms(since);
    transition.set_known_at_ms(asking_.clock);
    transition.set_brand_id(context_.catalogue.brand_id(context_.catalogue.brand_of(sku_)));
    transition.set_sku_id(sku_id);
    transition.set_outlet_id(std::string(asking_.outlet_id));
    transition.set_region_id(region_on(context_.calendar.day_of(at), facts_, context_));
    return transition;
  }

  // ---- R1 ----

  void say_confirmed(const SkuAlerts::Sent& stockout, Transition::State state, Millis at,
                     const std::optional<EventRef>& ended_by = {}) {
    auto& transition = say(kConfirmed, state, stockout.severity, stockout.episode, ++alerts_.confirmed_transitions, at,
                           stockout.start);
    transition.set_unit("count");
    add_evidence(stockout.begun_by, transition);
    if (ended_by) add_evidence(*ended_by, transition);
    add_last_count(transition);
  }

  // The last accepted count of the days up to the clock's.
  void add_last_count(Transition& transition) {
    const auto now = predict(*sku_facts_, last_book_, today_, false);
    if (now.known) add_evidence(now.last_count, transition);
  }

  static bool overlap(const Stockout& shown, const SkuAlerts::Sent& sent) {
    return shown.start < sent.end && sent.start < shown.end;
  }

  void confirmed_stockouts() {
    auto shown = stockouts(*sku_facts_, activity_, context_.calendar, &last_book_);
    for (const auto& stockout : shown) {
      look_again(stockout.start);
      look_again(stockout.end);
    }
    // What ended before the facts that are kept begin is settled on both sides.
    const auto kept_from = facts_.kept_from == kNoDay ? kNever : context_.calendar.start_of(facts_.kept_from);
    std::erase_if(
        shown, [&](const Stockout& stockout) { return stockout.start > asking_.clock || stockout.end <= kept_from; });
    std::erase_if(alerts_.sent, [&](const SkuAlerts::Sent& sent) { return sent.end <= kept_from; });

    std::vector<SkuAlerts::Sent> after;
    std::vector<const SkuAlerts::Sent*> before;  // what each of `after` was
    std::vector<bool> taken(alerts_.sent.size(), false);
    for (auto& stockout : shown) {
      if (stockout.end > asking_.clock) stockout.end = kOpenEnd;
      const SkuAlerts::Sent* was = nullptr;
      for (std::size_t i = 0; i < taken.size() && was == nullptr; ++i) {
        if (taken[i] || !overlap(stockout, alerts_.sent[i])) continue;
        taken[i] = true;
        was = &alerts_.sent[i];
      }
      auto severity = context_.catalogue.in_brand_group(sku_, context_.calendar.day_of(stockout.start))
                          ? Transition::CRITICAL
                          : Transition::WARNING;
      if (was != nullptr) severity = stockout.end == kOpenEnd ? std::max(severity, was->severity) : was->severity;
      after.push_back({was == nullptr ? 0 : was->episode, stockout.start, stockout.end, severity, stockout.begun_by});
      before.push_back(was);
    }
    for (std::size_t i = 0; i < taken.size(); ++i) {
      if (!taken[i]) say_confirmed(alerts_.sent[i], Transition::RETRACTED, asking_.clock);
    }
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (before[i] == nullptr) after[i].episode = ++alerts_.confirmed_episodes;
      const bool again = before[i] != nullptr && after[i].end == kOpenEnd &&
                         (before[i]->end != kOpenEnd || after[i].severity > before[i]->severity);
      if (before[i] == nullptr || again) say_confirmed(after[i], Transition::FIRING, after[i].start);
      const bool ended = after[i].end != kOpenEnd && (before[i] == nullptr || before[i]->end != after[i].end);
      if (ended) say_confirmed(after[i], Transition::RESOLVED, after[i].end, shown[i].ended_by);
    }
    alerts_.sent = std::move(after);
  }

  // ---- R2 ----

  void predicted_stockout() {
    const auto now = predict(*sku_facts_, last_book_, today_, active_on(today_, activity_));
    if (asking_.prediction) judge_prediction(now);
    if (const auto next = prediction_changes(*sku_facts_, last_book_, today_, alerts_.predicted, activity_)) {
      look_again(context_.calendar.start_of(*next));
    }
  }

  void judge_prediction(const Prediction& now) {
    const auto severity = now.short_confirmed ? Transition::WARNING : Transition::INFO;
    if (now.holds && !alerts_.predicted) {
      ++alerts_.predicted_episodes;
      alerts_.predicted_since = asking_.clock;
      alerts_.predicted_severity = severity;
      alerts_.predicted_by.reset();
      if (asking_.record != nullptr) alerts_.predicted_by = *asking_.record;
      alerts_.predicted = true;
      say_predicted(Transition::FIRING, now);
    } else if (now.holds && severity > alerts_.predicted_severity) {
      alerts_.predicted_severity = severity;
      say_predicted(Transition::FIRING, now);
    } else if (alerts_.predicted && now.clear) {
      alerts_.predicted = false;
      say_predicted(Transition::RESOLVED, now);
    }
  }

  void say_predicted(Transition::State state, const Prediction& now) {
    auto& transition = say(kPredicted, state, alerts_.predicted_severity, alerts_.predicted_episodes,
                           ++alerts_.predicted_transitions, asking_.clock, alerts_.predicted_since);
    transition.set_value(now.level);
    transition.set_threshold(2 * now.rate);
    transition.set_unit("millionths");
    if (alerts_.predicted_by) add_evidence(*alerts_.predicted_by, transition);
    if (state == Transition::RESOLVED && asking_.record != nullptr) add_evidence(*asking_.record, transition);
    if (now.known) add_evidence(now.last_count, transition);
  }

  // ---- R5 ----

  void overstock() {
    pass_ended_days();
    const auto says = overstock_says(*sku_facts_, last_book_, activity_, context_.calendar, alerts_.overstock);
    if (says) look_again(context_.calendar.end_of(*says));
  }

  void pass_ended_days() {
    pass_overstock(*sku_facts_, last_book_, activity_, context_.calendar, today_ - 1, alerts_.overstock,
                   [&](Transition::State said, const Clocked& alert, Day day, const OverstockDay& on_day) {
                     const auto at = context_.calendar.end_of(day);
                     auto& transition = say(kOverstock, said, alert.severity, alert.episode, alert.transitions, at, alert.since);
                     transition.set_known_at_ms(at);
                     transition.set_value(on_day.level);
                     transition.set_threshold(on_day.threshold);
                     transition.set_unit("millionths");
                     if (on_day.last_count) add_evidence(*on_day.last_count, transition);
                   });
  }

  const OutletFacts& facts_;
  SkuNumber sku_;
  const Asking& asking_;
  const MarketContext& context_;
  SkuAlerts& alerts_;
  std::vector<Transition>& transitions_;
  const SkuFacts* sku_facts_ = nullptr;
  std::vector<ActiveFrom> activity_;
  Book last_book_;
  Day today_;
  Millis due_ = kNever;
};

}  // namespace

void judge_skus(const OutletFacts& facts, const SkuSet& skus, const Asking& asking, const MarketContext& context,
                OutletAlerts& alerts, std::vector<Transition>& transitions) {
  for (const auto sku : skus) {
    auto* said = said_of(sku, facts, context, alerts);
    if (said != nullptr) Judge(facts, sku, asking, context, *said, transitions).ask();
  }
}

void judge_ended_days(const OutletFacts& facts, const SkuSet& skus, const Asking& asking, const MarketContext& context,
                      OutletAlerts& alerts, std::vector<Transition>& transitions) {
  for (const auto sku : skus) {
    auto* said = said_of(sku, facts, context, alerts);
    if (said != nullptr) Judge(facts, sku, asking, context, *said, transitions).ask_ended_days();
  }
}

Millis due_of(const OutletAlerts& alerts) {
  auto due = kNever;
  for (const auto& [sku, one] : alerts) {
    if (one.due != kNever) due = due == kNever ? one.due : std::min(due, one.due);
  }
  return due;
}

void pass_due(const OutletFacts& facts, std::string_view outlet_id, Millis clock, const MarketContext& context,
              OutletAlerts& alerts, std::vector<Transition>& transitions) {
  for (auto due = due_of(alerts); due != kNever && due <= clock; due = due_of(alerts)) {
    const bool midnight = context.calendar.start_of(context.calendar.day_of(due)) == due;
    for (auto& [sku, one] : alerts) {
      if (one.due == due) Judge(facts, sku, {outlet_id, due, midnight}, context, one, transitions).ask();
    }
  }
}

void save(const OutletAlerts& alerts, OutletState& state) {
  for (const auto& [sku, one] : alerts) {
    if (one.is_new()) continue;
    auto& saved = *state.add_alerts();
    saved.set_sku(static_cast<std::uint32_t>(sku));
    if (one.due != kNever) saved.set_due_ms(one.due);
    saved.set_confirmed_transitions(one.confirmed_transitions);
    saved.set_confirmed_episodes(one.confirmed_episodes);
    for (const auto& stockout : one.sent) {
      auto& sent = *saved.add_sent();
      sent.set_episode(stockout.episode);
      sent.set_start_ms(stockout.start);
      sent.set_end_ms(stockout.end);
      sent.set_severity(stockout.severity);
      save_event(stockout.begun_by, *sent.mutable_begun_by());
    }
    saved.set_predicted_transitions(one.predicted_transitions);
    saved.set_predicted_episodes(one.predicted_episodes);
    saved.set_predicted(one.predicted);
    saved.set_predicted_since_ms(one.predicted_since);
    saved.set_predicted_severity(one.predicted_severity);
    if (one.predicted_by) save_event(*one.predicted_by, *saved.mutable_predicted_by());
    if (!one.overstock.state.untouched()) save(one.overstock.state, *saved.mutable_overstock());
    if (one.overstock.asked != kNoDay) saved.set_overstock_asked(one.overstock.asked.number);
  }
}

OutletAlerts load_alerts(const OutletState& state) {
  OutletAlerts alerts;
  for (const auto& saved : state.alerts()) {
    auto& one = alerts[static_cast<SkuNumber>(saved.sku())];
    one.due = saved.due_ms() == 0 ? kNever : saved.due_ms();
    one.confirmed_transitions = saved.confirmed_transitions();
    one.confirmed_episodes = saved.confirmed_episodes();
    for (const auto& sent : saved.sent()) {
      one.sent.push_back({sent.episode(), sent.start_ms(), sent.end_ms(),
                          static_cast<Transition::Severity>(sent.severity()), load_event(sent.begun_by())});
    }
    one.predicted_transitions = saved.predicted_transitions();
    one.predicted_episodes = saved.predicted_episodes();
    one.predicted = saved.predicted();
    one.predicted_since = saved.predicted_since_ms();
    one.predicted_severity = static_cast<Transition::Severity>(saved.predicted_severity());
    if (saved.has_predicted_by()) one.predicted_by = load_event(saved.predicted_by());
    one.overstock = {load(saved.overstock()), saved.overstock_asked() == 0 ? kNoDay : Day{saved.overstock_asked()}};
  }
  return alerts;
}

}  // namespace fiverate
