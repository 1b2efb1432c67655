#include "processors/trade/measures/brand_change.h"

#include "processors/trade/measures/membership.h"

namespace fiverate {
namespace {

// The days on which a level is known and not yet 0.
Interval above_zero(const SkuTimeline::Level& level) {
  return {level.days.from, std::min(level.days.to, level.dry)};
}

// The part of a level's stock that does not fall with the days: stock = base - rate x day.
std::int64_t base_of(const SkuTimeline::Level& level) {
  return wrapped_sum(level.level, wrapped_product(level.rate, level.days.from.number));
}

void add_level(const Steps& steps, const SkuTimeline::Level& level) {
  steps.of_active(Contribution::stocks_known, level.days, 1);
  steps.of_active(Contribution::sales_rate, level.days, level.rate);
  steps.of_active(Contribution::stock_base, above_zero(level), base_of(level));
  steps.of_active(Contribution::stock_slope, above_zero(level), level.rate);
}

void change_levels(const Change& change, const SkuTimeline::Levels& before, const SkuTimeline::Levels& after) {
  if (before.size() != 1 || after.size() != 1) return change.add(before, after, add_level);
  const auto& was = before.front();
  const auto& is = after.front();
  change.active_value(Contribution::stocks_known, was.days, 1, is.days, 1);
  change.active_value(Contribution::sales_rate, was.days, was.rate, is.days, is.rate);
  change.active_value(Contribution::stock_base, above_zero(was), base_of(was), above_zero(is), base_of(is));
  change.active_value(Contribution::stock_slope, above_zero(was), was.rate, above_zero(is), is.rate);
}

Intervals listed_days(const SkuTimeline& sku) {
  return united(united(sku.in, sku.out), sku.unknown);
}

void change_stock(const Change& change, const SkuTimeline& before, const SkuTimeline& after) {
  change.stock_days(Contribution::in_stock_days, before.in, after.in);
  change.stock_days(Contribution::stockout_days, before.out, after.out);
  change.stock_days(Contribution::unknown_days, before.unknown, after.unknown);
  change.stock_days(Contribution::stockout_days_estimated, before.estimated_out, after.estimated_out);
  change.active_days(Contribution::listed_skus, listed_days(before), listed_days(after));
  change_levels(change, before.levels, after.levels);
  change.add(before.listed_counts, after.listed_counts,
             [](const Steps& steps, const SkuTimeline::ListedCounts& counts) {
               steps.flow(Contribution::listed_counts, counts.day, counts.counts);
               steps.flow(Contribution::zero_counts, counts.day, counts.zeros);
             });
}

// Those of `days` that decide who is a member (or a repeat member) of a window on `since` and later.
std::span<const Day> deciding(const std::vector<Day>& days, std::int32_t window, bool repeat, Day since) {
  if (since == kNoDay) return days;
  if (since == kEndOfDays) return {};
  const auto begins = window_of(window, since).first;
  const auto from = repeat ? window_of(window, begins - 1).first : begins;
  return {std::lower_bound(days.begin(), days.end(), from), days.end()};
}

// Whether a part of a timeline differs in an affected SKU.
template <typename Part>
bool differs(SkuChanges skus, Part SkuTimeline::*part) {
  return std::any_of(skus.begin(), skus.end(),
                     [&](const SkuChange& sku) { return sku.is_affected() && sku.before->*part != sku.after->*part; });
}

// The days of all SKUs of the brand, before (&SkuChange::before) or after.
std::vector<Day> united_days(SkuChanges skus, const SkuTimeline* SkuChange::*when,
                             std::vector<Day> SkuTimeline::*part) {
  std::vector<Day> days;
  for (const auto& sku : skus) {
    const auto& more = (sku.*when)->*part;
    days.insert(days.end(), more.begin(), more.end());
  }
  std::sort(days.begin(), days.end());
  days.erase(std::unique(days.begin(), days.end()), days.end());
  return days;
}

void change_buyers(const Change& change, SkuChanges skus) {
  if (!change.moved() && !differs(skus, &SkuTimeline::bought)) return;
  const auto before = united_days(skus, &SkuChange::before, &SkuTimeline::bought);
  const auto after = united_days(skus, &SkuChange::after, &SkuTimeline::bought);
  const auto since = change.moved() ? kNoDay : first_difference(before, after);
  if (since == kEndOfDays) return;
  change_members(change, Contribution::buying_outlets, before, after, since);
  for (const auto w : change.selection().windows) {
    const auto window = kWindows[w];
    change.active_days(in_window(Contribution::repeat_buying_outlets, w),
                       repeat_members_of(deciding(before, window, true, since), window),
                       repeat_members_of(deciding(after, window, true, since), window));
  }
}

void change_requesters(const Change& change, SkuChanges skus) {
  if (!change.moved() && !differs(skus, &SkuTimeline::requested)) return;
  const auto before = united_days(skus, &SkuChange::before, &SkuTimeline::requested);
  const auto after = united_days(skus, &SkuChange::after, &SkuTimeline::requested);
  const auto since = change.moved() ? kNoDay : first_difference(before, after);
  if (since != kEndOfDays) change_members(change, Contribution::requesting_outlets, before, after, since);
}

void change_on_shelf(const Change& change, SkuChanges skus) {
  if (!change.moved() && !differs(skus, &SkuTimeline::on_shelf)) return;
  Intervals before;
  Intervals after;
  for (const auto& sku : skus) {
    before = united(before, sku.before->on_shelf);
    after = united(after, sku.after->on_shelf);
  }
  change.active_days(Contribution::on_shelf_outlets, before, after);
}

// The days as of which units of some SKU were available (holding) or sold (moving) between two counts.
struct SalesDays {
  Intervals holding, moving;

  void add(const std::vector<SellThrough>& sku) {
    Intervals available;
    Intervals sold;
    for (const auto& one : sku) {
      if (one.available > 0) append(available, one.days);
      if (one.sold > 0) append(sold, one.days);
    }
    holding = united(holding, available);
    moving = united(moving, sold);
  }
};

void change_sales(const Change& change, SkuChanges skus, Day since) {
  if (!change.moved() && !differs(skus, &SkuTimeline::counts)) return;
  for (const auto w : change.selection().windows) {
    SalesDays before;
    SalesDays after;
    for (const auto& sku : skus) {
      const auto is = sell_through_since(since, sku.after->counts, kWindows[w]);
      after.add(is);
      if (!sku.is_affected()) {
        before.add(is);
        if (!change.moved()) continue;
      }
      const auto was = sku.is_affected() ? sell_through_since(since, sku.before->counts, kWindows[w]) : is;
      if (sku.is_affected()) before.add(was);
      change.add(was, is, [&](const Steps& steps, const SellThrough& one) {
        steps.of_active(in_window(Contribution::available_units, w), one.days, one.available);
        steps.of_active(in_window(Contribution::sold_units, w), one.days, one.sold);
      });
    }
    change.active_days(in_window(Contribution::holding_outlets, w), before.holding, after.holding);
    change.active_days(in_window(Contribution::moving_outlets, w), before.moving, after.moving);
  }
}

}  // namespace

Day first_difference(const std::vector<Day>& a, const std::vector<Day>& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return std::min(in_a == a.end() ? kEndOfDays : *in_a, in_b == b.end() ? kEndOfDays : *in_b);
}

void change_members(const Change& change, Contribution first, const std::vector<Day>& before,
                    const std::vector<Day>& after, Day since) {
  for (const auto w : change.selection().windows) {
    const auto window = kWindows[w];
    change.active_days(in_window(first, w), members_of(deciding(before, window, false, since), window),
                       members_of(deciding(after, window, false, since), window));
  }
}

void change_brand(const Change& change, SkuChanges skus, Day since) {
  const auto& selection = change.selection();
  if (selection.has(MeasureGroup::stock)) {
    for (const auto& sku : skus) {
      if (change.moved() || sku.is_affected()) change_stock(change, *sku.before, *sku.after);
    }
    change_sales(change, skus, since);
  }
  if (selection.has(MeasureGroup::purchases)) change_buyers(change, skus);
  if (selection.has(MeasureGroup::orders)) change_requesters(change, skus);
  if (selection.has(MeasureGroup::shelf)) change_on_shelf(change, skus);
}

}  // namespace fiverate
