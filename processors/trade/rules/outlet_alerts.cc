#include "processors/trade/rules/outlet_alerts.h"

#include <algorithm>
#include <iterator>

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

// The region of the outlet on a day. The region of its first version also applies to the days before it.
const std::string& region_on(Day day, const OutletFacts& facts, const MarketContext& context) {
  auto segment = kNoSegment;
  for (const auto& assignment : facts.assignments) {
    if (assignment.from > day) break;
    segment = assignment.segment;
  }
  return context.segments.segment(segment).region_id;
}

// The alerts of a SKU, or null if it has no brand or was never counted: all rules need counts, which most SKUs do not
// have.
SkuAlerts* alerts_of(SkuNumber sku, const OutletFacts& facts, const MarketContext& context, OutletAlerts& alerts) {
  if (context.catalogue.brand_of(sku) == kNoBrand) return nullptr;
  if (const auto found = alerts.find(sku); found != alerts.end()) return &found->second;
  const auto known = facts.skus.find(sku);
  return known != facts.skus.end() && known->second.was_counted() ? &alerts[sku] : nullptr;
}

// Evaluates the rules of one SKU of one outlet at one moment.
class SkuEvaluation {
 public:
  SkuEvaluation(const OutletFacts& facts, SkuNumber sku, const EvaluationMoment& moment, const MarketContext& context,
                SkuAlerts& alerts, std::vector<Transition>& transitions)
      : facts_(facts), sku_(sku), moment_(moment), context_(context), alerts_(alerts), transitions_(transitions) {}

  void evaluate() {
    alerts_.due = kNever;
    const auto known = facts_.skus.find(sku_);
    if (known == facts_.skus.end()) return;
    sku_facts_ = &known->second;
    // Without a count, which is the case of most SKUs, no rule can hold and the walk over the facts is not needed.
    const bool firing = !alerts_.published.empty() || alerts_.predicted || !alerts_.overstock.state.is_initial();
    if (!sku_facts_->was_counted() && !firing) return;
    today_ = context_.calendar.day_of(moment_.clock);
    if (!sku_facts_->facts().empty() && sku_facts_->facts().back().day > today_) {
      early_book_ = book_until(today_, *sku_facts_);
    }
    evaluate_confirmed();
    evaluate_predicted();
    evaluate_overstock_rule();
    alerts_.due = due_;
  }

  // Evaluates R5 alone, by the present facts.
  void evaluate_ended_days() {
    const auto known = facts_.skus.find(sku_);
    if (known == facts_.skus.end()) return;
    sku_facts_ = &known->second;
    today_ = context_.calendar.day_of(moment_.clock);
    if (alerts_.overstock.evaluated_through >= today_ - 1) return;
    if (!sku_facts_->was_counted() && alerts_.overstock.state.is_initial()) return;
    evaluate_days_until_today();
  }

 private:
  [[nodiscard]] const std::vector<PopulationFrom>& population() const { return facts_.population; }
  [[nodiscard]] const Book& last_book() const { return sku_facts_->latest(population(), context_.calendar).book; }
  // The book of the days up to today. Mostly this is the book of all facts.
  [[nodiscard]] const Book& book_of_today() const { return early_book_ ? *early_book_ : last_book(); }

  void schedule(Millis moment) {
    if (moment == kOpenEnd || moment <= moment_.clock) return;
    due_ = due_ == kNever ? moment : std::min(due_, moment);
  }

  Transition& publish(std::string_view rule, Transition::State state, Transition::Severity severity,
                      std::int32_t episode, std::int64_t number, Millis at, Millis since) {
    auto& transition = transitions_.emplace_back();
    const auto& sku_id = context_.catalogue.sku_id(sku_);
    transition.set_alert_id(alert_id_of({.rule = rule, .sku_id = sku_id, .outlet_id = moment_.outlet_id}));
    transition.set_transition(number);
    transition.set_episode(episode);
    transition.set_rule(std::string(rule));
    transition.set_severity(severity);
    transition.set_state(state);
    transition.set_at_ms(at);
    transition.set_since_ms(since);
    transition.set_known_at_ms(moment_.clock);
    transition.set_brand_id(context_.catalogue.brand_id(context_.catalogue.brand_of(sku_)));
    transition.set_sku_id(sku_id);
    transition.set_outlet_id(std::string(moment_.outlet_id));
    transition.set_region_id(region_on(context_.calendar.day_of(at), facts_, context_));
    return transition;
  }

  // ---- R1 ----

  void publish_confirmed(const SkuAlerts::PublishedStockout& stockout, Transition::State state, Millis at,
                         const std::optional<EventRef>& ended_by = {}) {
    auto& transition = publish(kConfirmed, state, stockout.severity, stockout.episode, ++alerts_.confirmed_transitions,
                               at, stockout.start);
    transition.set_unit("count");
    add_evidence(stockout.begun_by, transition);
    if (ended_by) add_evidence(*ended_by, transition);
    add_last_count(transition);
  }

  // Adds the last accepted count of the days up to today.
  void add_last_count(Transition& transition) const {
    if (const auto& count = book_of_today().accepted()) add_evidence(count->event, transition);
  }

  static bool overlap(const Stockout& shown, const SkuAlerts::PublishedStockout& sent) {
    return shown.start < sent.end && sent.start < shown.end;
  }

  // The first published stockout that ends at `time` or later. They are by start and do not overlap.
  [[nodiscard]] std::size_t first_ending_at(Millis time) const {
    const auto& published = alerts_.published;
    const auto first = std::partition_point(published.begin(), published.end(),
                                            [&](const SkuAlerts::PublishedStockout& sent) { return sent.end < time; });
    return static_cast<std::size_t>(first - published.begin());
  }

  void evaluate_confirmed() {
    auto& published = alerts_.published;
    // Stockouts that ended before the first kept fact can no longer change and are not compared.
    const auto kept_from = facts_.kept_from == kNoDay ? kNever : context_.calendar.start_of(facts_.kept_from);
    published.erase(published.begin(), published.begin() + static_cast<std::ptrdiff_t>(first_ending_at(kept_from + 1)));
    // Nor are those that ended before the facts that have changed.
    const auto unchanged = first_ending_at(moment_.changed_from);
    auto shown = stockouts({*sku_facts_, population(), context_.calendar},
                           unchanged == 0 ? kNever : published[unchanged - 1].start);
    for (const auto& stockout : shown) {
      schedule(stockout.start);
      schedule(stockout.end);
    }
    std::erase_if(
        shown, [&](const Stockout& stockout) { return stockout.start > moment_.clock || stockout.end <= kept_from; });

    std::vector<SkuAlerts::PublishedStockout> after;
    std::vector<const SkuAlerts::PublishedStockout*> before;  // the published ones that `after` matches, or null
    std::vector<bool> matched(published.size() - unchanged, false);
    for (auto& stockout : shown) {
      if (stockout.end > moment_.clock) stockout.end = kOpenEnd;
      const SkuAlerts::PublishedStockout* was = nullptr;
      for (std::size_t i = 0; i < matched.size() && was == nullptr; ++i) {
        if (matched[i] || !overlap(stockout, published[unchanged + i])) continue;
        matched[i] = true;
        was = &published[unchanged + i];
      }
      auto severity = context_.catalogue.in_brand_group(sku_, context_.calendar.day_of(stockout.start))
                          ? Transition::CRITICAL
                          : Transition::WARNING;
      if (was != nullptr) severity = stockout.end == kOpenEnd ? std::max(severity, was->severity) : was->severity;
      after.push_back({was == nullptr ? 0 : was->episode, stockout.start, stockout.end, severity, stockout.begun_by});
      before.push_back(was);
    }
    for (std::size_t i = 0; i < matched.size(); ++i) {
      if (!matched[i]) publish_confirmed(published[unchanged + i], Transition::RETRACTED, moment_.clock);
    }
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (before[i] == nullptr) after[i].episode = ++alerts_.confirmed_episodes;
      const bool again = before[i] != nullptr && after[i].end == kOpenEnd &&
                         (before[i]->end != kOpenEnd || after[i].severity > before[i]->severity);
      if (before[i] == nullptr || again) publish_confirmed(after[i], Transition::FIRING, after[i].start);
      const bool ended = after[i].end != kOpenEnd && (before[i] == nullptr || before[i]->end != after[i].end);
      if (ended) publish_confirmed(after[i], Transition::RESOLVED, after[i].end, shown[i].ended_by);
    }
    published.erase(published.begin() + static_cast<std::ptrdiff_t>(unchanged), published.end());
    std::move(after.begin(), after.end(), std::back_inserter(published));
  }

  // ---- R2 ----

  void evaluate_predicted() {
    const auto& book = book_of_today();
    if (moment_.prediction) {
      evaluate_prediction(predict(*sku_facts_, book, today_, in_population_on(today_, population())));
    }
    if (const auto next = prediction_changes(*sku_facts_, book, today_, alerts_.predicted, population())) {
      schedule(context_.calendar.start_of(*next));
    }
  }

  void evaluate_prediction(const Prediction& now) {
    const auto severity = now.short_confirmed ? Transition::WARNING : Transition::INFO;
    if (now.holds && !alerts_.predicted) {
      ++alerts_.predicted_episodes;
      alerts_.predicted_since = moment_.clock;
      alerts_.predicted_severity = severity;
      alerts_.predicted_by.reset();
      if (moment_.record != nullptr) alerts_.predicted_by = *moment_.record;
      alerts_.predicted = true;
      publish_predicted(Transition::FIRING, now);
    } else if (now.holds && severity > alerts_.predicted_severity) {
      alerts_.predicted_severity = severity;
      publish_predicted(Transition::FIRING, now);
    } else if (alerts_.predicted && now.clear) {
      alerts_.predicted = false;
      publish_predicted(Transition::RESOLVED, now);
    }
  }

  void publish_predicted(Transition::State state, const Prediction& now) {
    auto& transition = publish(kPredicted, state, alerts_.predicted_severity, alerts_.predicted_episodes,
                               ++alerts_.predicted_transitions, moment_.clock, alerts_.predicted_since);
    transition.set_value(now.level);
    transition.set_threshold(2 * now.rate);
    transition.set_unit("millionths");
    if (alerts_.predicted_by) add_evidence(*alerts_.predicted_by, transition);
    if (state == Transition::RESOLVED && moment_.record != nullptr) add_evidence(*moment_.record, transition);
    add_last_count(transition);
  }

  // ---- R5 ----

  void evaluate_overstock_rule() {
    evaluate_days_until_today();
    const auto next =
        next_overstock_transition(*sku_facts_, last_book(), population(), context_.calendar, alerts_.overstock);
    if (next) schedule(context_.calendar.end_of(*next));
  }

  void evaluate_days_until_today() {
    evaluate_overstock(*sku_facts_, last_book(), population(), context_.calendar, today_ - 1, alerts_.overstock,
                       [&](Transition::State state, const DailyAlert& alert, Day day, const OverstockDay& on_day) {
                         const auto at = context_.calendar.end_of(day);
                         auto& transition = publish(kOverstock, state, alert.severity, alert.episode, alert.transitions,
                                                    at, alert.since);
                         transition.set_known_at_ms(at);
                         transition.set_value(on_day.level);
                         transition.set_threshold(on_day.threshold);
                         transition.set_unit("millionths");
                         if (on_day.last_count) add_evidence(*on_day.last_count, transition);
                       });
  }

  const OutletFacts& facts_;
  SkuNumber sku_;
  const EvaluationMoment& moment_;
  const MarketContext& context_;
  SkuAlerts& alerts_;
  std::vector<Transition>& transitions_;
  const SkuFacts* sku_facts_ = nullptr;
  std::optional<Book> early_book_;  // if there are facts of days after today
  Day today_;
  Millis due_ = kNever;
};

}  // namespace

void evaluate_skus(const OutletFacts& facts, const SkuSet& skus, const EvaluationMoment& moment,
                   const MarketContext& context, OutletAlerts& alerts, std::vector<Transition>& transitions) {
  for (const auto sku : skus) {
    auto* of_sku = alerts_of(sku, facts, context, alerts);
    if (of_sku != nullptr) SkuEvaluation(facts, sku, moment, context, *of_sku, transitions).evaluate();
  }
}

void evaluate_ended_days(const OutletFacts& facts, const SkuSet& skus, const EvaluationMoment& moment,
                         const MarketContext& context, OutletAlerts& alerts, std::vector<Transition>& transitions) {
  for (const auto sku : skus) {
    auto* of_sku = alerts_of(sku, facts, context, alerts);
    if (of_sku != nullptr) SkuEvaluation(facts, sku, moment, context, *of_sku, transitions).evaluate_ended_days();
  }
}

Millis next_due(const OutletAlerts& alerts) {
  auto due = kNever;
  for (const auto& [sku, one] : alerts) {
    if (one.due != kNever) due = due == kNever ? one.due : std::min(due, one.due);
  }
  return due;
}

void evaluate_due(const OutletFacts& facts, std::string_view outlet_id, Millis clock, const MarketContext& context,
                  OutletAlerts& alerts, std::vector<Transition>& transitions) {
  for (auto due = next_due(alerts); due != kNever && due <= clock; due = next_due(alerts)) {
    const bool midnight = context.calendar.start_of(context.calendar.day_of(due)) == due;
    for (auto& [sku, one] : alerts) {
      if (one.due == due)
        SkuEvaluation(facts, sku, {outlet_id, due, midnight, nullptr, kOpenEnd}, context, one, transitions).evaluate();
    }
  }
}

}  // namespace fiverate
