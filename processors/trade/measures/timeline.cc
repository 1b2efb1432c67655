#include "processors/trade/measures/timeline.h"

#include <algorithm>
#include <array>
#include <deque>

#include "processors/trade/measures/flows.h"
#include "processors/trade/measures/membership.h"

namespace fiverate {
namespace {

// Appends the contributions of one brand at one outlet, multiplied by `sign`: +1 as they are, -1 as they were.
class Steps {
 public:
  Steps(const OutletActivity& activity, BrandNumber brand, int sign, std::vector<DatedDelta>& deltas)
      : activity_(activity), brand_(brand), sign_(sign), deltas_(deltas) {}

  void of_active(Contribution contribution, Interval days, std::int64_t value) const {
    for (const auto& stretch : activity_.stretches) {
      if (stretch.days.from >= days.to) break;
      for (const auto& active : stretch.active) step(stretch, contribution, active, days, value);
    }
  }
  void of_population(Contribution contribution, Interval days, std::int64_t value) const {
    for (const auto& stretch : activity_.stretches) {
      if (stretch.in_population) step(stretch, contribution, stretch.days, days, value);
    }
  }
  void flow(Contribution contribution, Day day, std::int64_t value) const {
    const auto segment = activity_.segment_on(day);
    if (segment != kNoSegment && value != 0) deltas_.push_back({brand_, segment, contribution, day, sign_ * value});
  }

 private:
  void step(const OutletActivity::Stretch& stretch, Contribution contribution, Interval a, Interval b,
            std::int64_t value) const {
    const Interval days{std::max(a.from, b.from), std::min(a.to, b.to)};
    if (days.from >= days.to || value == 0) return;
    const auto signed_value = wrapped_product(sign_, value);
    deltas_.push_back({brand_, stretch.segment, contribution, days.from, signed_value});
    if (days.to == kEndOfDays) return;
    deltas_.push_back({brand_, stretch.segment, contribution, days.to, wrapped_product(-1, signed_value)});
  }

  const OutletActivity& activity_;
  BrandNumber brand_;
  int sign_;
  std::vector<DatedDelta>& deltas_;
};

// A change is the negated contributions before it and those after it. Their common beginning, which is most of them, is
// left out.
class Change {
 public:
  Change(const OutletActivity& before, const OutletActivity& after, bool moved, BrandNumber brand,
         std::vector<DatedDelta>& deltas)
      : moved_(moved), before_(before, brand, -1, deltas), after_(after, brand, +1, deltas) {}

  template <typename Entries, typename Add>
  void add(const Entries& before, const Entries& after, Add&& add_one) const {
    auto skip = std::size_t{0};
    if (!moved_) {
      while (skip < before.size() && skip < after.size() && before[skip] == after[skip]) ++skip;
    }
    for (auto i = skip; i < before.size(); ++i) add_one(before_, before[i]);
    for (auto i = skip; i < after.size(); ++i) add_one(after_, after[i]);
  }
  void active_days(Contribution contribution, const Intervals& before, const Intervals& after) const {
    add(before, after, [&](const Steps& steps, Interval days) { steps.of_active(contribution, days, 1); });
  }
  void stock_days(Contribution contribution, const Intervals& before, const Intervals& after) const {
    add(before, after, [&](const Steps& steps, Interval days) { steps.of_population(contribution, days, 1); });
  }

 private:
  bool moved_;
  Steps before_;
  Steps after_;
};

void add_level(const Steps& steps, const SkuTimeline::Level& level) {
  steps.of_active(Contribution::stocks_known, level.days, 1);
  steps.of_active(Contribution::sales_rate, level.days, level.rate);
  const Interval days{level.days.from, std::min(level.days.to, level.dry)};
  steps.of_active(Contribution::stock_base, days,
                  wrapped_sum(level.level, wrapped_product(level.rate, days.from.number)));
  steps.of_active(Contribution::stock_slope, days, level.rate);
}

void change_sku(const Change& change, const SkuTimeline& before, const SkuTimeline& after) {
  change.stock_days(Contribution::in_stock_days, before.in, after.in);
  change.stock_days(Contribution::stockout_days, before.out, after.out);
  change.stock_days(Contribution::unknown_days, before.unknown, after.unknown);
  change.stock_days(Contribution::stockout_days_estimated, before.estimated_out, after.estimated_out);
  for (const auto state : {&SkuTimeline::in, &SkuTimeline::out, &SkuTimeline::unknown}) {
    change.active_days(Contribution::listed_skus, before.*state, after.*state);
  }
  change.add(before.levels, after.levels, add_level);
  change.add(before.listed_counts, after.listed_counts,
             [](const Steps& steps, const SkuTimeline::ListedCounts& counts) {
               steps.flow(Contribution::listed_counts, counts.day, counts.counts);
               steps.flow(Contribution::zero_counts, counts.day, counts.zeros);
             });
}

void change_sell_through(const Change& change, const std::vector<SellThrough>& before,
                         const std::vector<SellThrough>& after, std::size_t window) {
  change.add(before, after, [&](const Steps& steps, const SellThrough& one) {
    steps.of_active(in_window(Contribution::available_units, window), one.days, one.available);
    steps.of_active(in_window(Contribution::sold_units, window), one.days, one.sold);
  });
}

std::vector<Day> united_days(const std::vector<Day>& a, const std::vector<Day>& b) {
  std::vector<Day> days;
  days.reserve(a.size() + b.size());
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(days));
  return days;
}

// The first day that is in one of them only; kEndOfDays if they are equal.
Day first_difference(const std::vector<Day>& a, const std::vector<Day>& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return std::min(in_a == a.end() ? kEndOfDays : *in_a, in_b == b.end() ? kEndOfDays : *in_b);
}

// Those of `days` that decide who is a member (or a repeat member) of a window on `since` and later.
std::vector<Day> deciding(const std::vector<Day>& days, std::int32_t window, bool repeat, Day since) {
  if (since == kNoDay) return days;
  if (since == kEndOfDays) return {};
  const auto begins = window_of(window, since).first;
  const auto from = repeat ? window_of(window, begins - 1).first : begins;
  return {std::lower_bound(days.begin(), days.end(), from), days.end()};
}

// Members do not change before `since`; kNoDay: they may on any day.
void change_members(const Change& change, const Selection& selection, Contribution first,
                    const std::vector<Day>& before, const std::vector<Day>& after, Day since) {
  for (const auto w : selection.windows) {
    const auto window = kWindows[w];
    change.active_days(in_window(first, w), members_of(deciding(before, window, false, since), window),
                       members_of(deciding(after, window, false, since), window));
  }
}

void change_brand(const Change& change, const Selection& selection, const BrandTimeline& before,
                  const BrandTimeline& after, bool moved) {
  if (selection.has(MeasureGroup::purchases) && (moved || before.bought != after.bought)) {
    const auto since = moved ? kNoDay : first_difference(before.bought, after.bought);
    change_members(change, selection, Contribution::buying_outlets, before.bought, after.bought, since);
    for (const auto w : selection.windows) {
      const auto window = kWindows[w];
      change.active_days(in_window(Contribution::repeat_buying_outlets, w),
                         repeat_members_of(deciding(before.bought, window, true, since), window),
                         repeat_members_of(deciding(after.bought, window, true, since), window));
    }
  }
  if (selection.has(MeasureGroup::orders) && (moved || before.requested != after.requested)) {
    const auto since = moved ? kNoDay : first_difference(before.requested, after.requested);
    change_members(change, selection, Contribution::requesting_outlets, before.requested, after.requested, since);
  }
  if (selection.has(MeasureGroup::shelf)) {
    change.active_days(Contribution::on_shelf_outlets, before.on_shelf, after.on_shelf);
  }
  if (!selection.has(MeasureGroup::stock)) return;
  for (const auto w : selection.windows) {
    change.active_days(in_window(Contribution::holding_outlets, w), before.holding[w], after.holding[w]);
    change.active_days(in_window(Contribution::moving_outlets, w), before.moving[w], after.moving[w]);
  }
}

// The timeline of an SKU as far as selected measures need it. Purchases and orders need no walk over all facts.
SkuTimeline selected_timeline_of(const SkuFacts& sku, const Selection& selection) {
  if (selection.has(MeasureGroup::shelf) || selection.has(MeasureGroup::stock)) return timeline_of(sku);
  SkuTimeline timeline;
  if (selection.has(MeasureGroup::purchases)) timeline.bought = bought_days(sku);
  if (selection.has(MeasureGroup::orders)) timeline.requested = requested_days(sku);
  return timeline;
}

using SellThroughs = std::array<std::vector<SellThrough>, kWindowCount>;
SellThroughs sell_throughs_of(const SkuTimeline& sku, const Selection& selection) {
  SellThroughs sold;
  if (!selection.has(MeasureGroup::stock)) return sold;
  for (const auto w : selection.windows) sold[w] = sell_through_of(sku.counts, kWindows[w]);
  return sold;
}

void add_to_brand(const SkuTimeline& sku, const SellThroughs& sold, BrandTimeline& brand) {
  brand.bought = united_days(brand.bought, sku.bought);
  brand.requested = united_days(brand.requested, sku.requested);
  brand.on_shelf = united(brand.on_shelf, sku.on_shelf);
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    Intervals holding;
    Intervals moving;
    for (const auto& one : sold[w]) {
      if (one.available > 0) append(holding, one.days);
      if (one.sold > 0) append(moving, one.days);
    }
    brand.holding[w] = united(brand.holding[w], holding);
    brand.moving[w] = united(brand.moving[w], moving);
  }
}

std::vector<Day> order_days(const OutletFacts& facts) {
  std::vector<Day> days;
  days.reserve(facts.order_documents.size());
  for (const auto& [day, documents] : facts.order_documents) days.push_back(day);
  return days;
}

}  // namespace

std::optional<Day> activity_ends(const OutletFacts& facts) {
  if (facts.active_documents.empty()) return std::nullopt;
  const auto end = facts.active_documents.rbegin()->first + kActiveDays;
  if (end <= facts.clock_day) return std::nullopt;  // It has ended, and its end has been sent.
  return end;
}

SegmentNumber OutletActivity::segment_on(Day day) const {
  auto segment = kNoSegment;
  for (const auto& stretch : stretches) {
    if (stretch.days.from > day) break;
    segment = stretch.segment;
  }
  return segment;
}

OutletActivity outlet_activity_of(const OutletFacts& facts) {
  Intervals active;
  for (const auto& [day, documents] : facts.active_documents) append(active, {day, day + kActiveDays});
  if (activity_ends(facts)) active.back().to = kEndOfDays;
  OutletActivity activity;
  for (std::size_t i = 0; i < facts.assignments.size(); ++i) {
    const auto& assignment = facts.assignments[i];
    const auto to = i + 1 < facts.assignments.size() ? facts.assignments[i + 1].from : kEndOfDays;
    const Interval days{assignment.from, to};
    activity.stretches.push_back({days, assignment.segment, assignment.in_population,
                                  assignment.in_population ? intersection({days}, active) : Intervals{}});
  }
  return activity;
}

FactsChange::FactsChange(const OutletFacts& facts, const MarketContext& context, const Affected& affected)
    : facts_(facts), context_(context), affected_(affected.skus), before_(outlet_activity_of(facts)) {
  if (affected.is_order) ordered_before_ = order_days(facts);
  if (const auto* document = affected.document) {
    const auto day = context.calendar.day_of(document->counted().event_time);
    contribute_document(*document, before_.segment_on(day), -1, context, document_before_);
  }
  for (const auto sku : affected_) {
    if (const auto brand = context.catalogue.brand_of(sku); brand != kNoBrand) skus_before_[brand];
  }
  if (skus_before_.empty()) return;
  for (const auto& [number, sku] : facts.skus) {
    const auto brand = skus_before_.find(context.catalogue.brand_of(number));
    if (brand != skus_before_.end()) brand->second.emplace(number, selected_timeline_of(sku, context.selection));
  }
}

// The flows of the other documents whose segment has changed.
void FactsChange::flows_of_moved(const OutletActivity& after, const Document* document,
                                 Differences& differences) const {
  for (const auto& other : facts_.documents) {
    if (other.get() == document) continue;
    const auto day = context_.calendar.day_of(other->counted().event_time);
    const auto was = before_.segment_on(day);
    const auto is = after.segment_on(day);
    if (was == is) continue;
    contribute_document(*other, was, -1, context_, differences);
    contribute_document(*other, is, +1, context_, differences);
  }
}

Differences FactsChange::differences(const Document* document) const {
  const auto& selection = context_.selection;
  auto differences = document_before_;
  auto& deltas = differences.deltas;
  const auto after = outlet_activity_of(facts_);
  const bool moved = after != before_;
  if (document != nullptr) {
    const auto day = context_.calendar.day_of(document->counted().event_time);
    contribute_document(*document, after.segment_on(day), +1, context_, differences);
  }
  if (moved) flows_of_moved(after, document, differences);

  const Change whole(before_, after, moved, kNoBrand, deltas);
  if (moved) {
    for (const auto& [activity, sign] : {std::pair(&before_, -1), std::pair(&after, +1)}) {
      const Steps steps(*activity, kNoBrand, sign, deltas);
      steps.of_active(Contribution::active_outlets, {kNoDay, kEndOfDays}, 1);
      steps.of_population(Contribution::dormant_outlets, {kNoDay, kEndOfDays}, 1);
      const Steps none(*activity, kNoBrand, -sign, deltas);
      none.of_active(Contribution::dormant_outlets, {kNoDay, kEndOfDays}, 1);
    }
  }
  if (selection.has(MeasureGroup::orders) && (moved || ordered_before_)) {
    const auto ordered = order_days(facts_);
    const auto& ordered_before = ordered_before_.value_or(ordered);
    const auto since = moved ? kNoDay : first_difference(ordered_before, ordered);
    change_members(whole, selection, Contribution::ordering_outlets, ordered_before, ordered, since);
  }

  // The affected brands, or all of them if the outlet has moved. A SKU that is not affected has the same timeline
  // before and after.
  struct SkuChange {
    const SkuTimeline* before;
    const SkuTimeline* after;
  };
  static const SkuTimeline kNothing;
  std::map<BrandNumber, std::vector<SkuChange>> brands;
  std::deque<SkuTimeline> made;
  for (const auto& [number, sku] : facts_.skus) {
    const auto brand = context_.catalogue.brand_of(number);
    const auto known = skus_before_.find(brand);
    if (brand == kNoBrand || (!moved && known == skus_before_.end())) continue;
    const auto* was = &kNothing;
    if (known != skus_before_.end()) {
      if (const auto found = known->second.find(number); found != known->second.end()) was = &found->second;
    }
    if (known != skus_before_.end() && !affected_.contains(number)) {
      brands[brand].push_back({was, was});
    } else {
      const auto* is = &made.emplace_back(selected_timeline_of(sku, selection));
      brands[brand].push_back({affected_.contains(number) ? was : is, is});
    }
  }
  for (const auto& [brand, skus] : brands) {
    const Change change(before_, after, moved, brand, deltas);
    BrandTimeline brand_before;
    BrandTimeline brand_after;
    for (const auto& [was, is] : skus) {
      const auto sold = sell_throughs_of(*is, selection);
      const auto sold_before = was == is ? sold : sell_throughs_of(*was, selection);
      add_to_brand(*was, sold_before, brand_before);
      add_to_brand(*is, sold, brand_after);
      if (!selection.has(MeasureGroup::stock) || (!moved && was == is)) continue;
      change_sku(change, *was, *is);
      for (const auto w : selection.windows) change_sell_through(change, sold_before[w], sold[w], w);
    }
    change_brand(change, selection, brand_before, brand_after, moved);
  }
  return differences;
}

}  // namespace fiverate
