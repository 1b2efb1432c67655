#include "processors/trade/measures/timeline.h"

#include <algorithm>
#include <deque>
#include <span>
#include <utility>

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

// A change is the negated contributions before it and those after it. What both have in common, which is most of them,
// is left out unless the outlet has moved.
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
    add_days(before, after, [&](const Steps& steps, Interval days) { steps.of_active(contribution, days, 1); });
  }
  void stock_days(Contribution contribution, const Intervals& before, const Intervals& after) const {
    add_days(before, after, [&](const Steps& steps, Interval days) { steps.of_population(contribution, days, 1); });
  }
  // A value that holds on some days. Of equal values only the days that are not in both are added.
  void active_value(Contribution contribution, Interval before, std::int64_t value_before, Interval after,
                    std::int64_t value_after) const {
    if (moved_ || value_before != value_after || before.from != after.from) {
      before_.of_active(contribution, before, value_before);
      after_.of_active(contribution, after, value_after);
    } else if (before.to > after.to) {
      before_.of_active(contribution, {std::max(after.to, before.from), before.to}, value_before);
    } else {
      after_.of_active(contribution, {std::max(before.to, after.from), after.to}, value_after);
    }
  }
  [[nodiscard]] bool moved() const { return moved_; }

 private:
  template <typename Add>
  void add_days(const Intervals& before, const Intervals& after, Add&& add_one) const {
    if (moved_) {
      add(before, after, add_one);
    } else if (before != after) {
      for (const auto days : difference(before, after)) add_one(before_, days);
      for (const auto days : difference(after, before)) add_one(after_, days);
    }
  }

  bool moved_;
  Steps before_;
  Steps after_;
};

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

void change_sku(const Change& change, const SkuTimeline& before, const SkuTimeline& after) {
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

// The first day that is in one of them only; kEndOfDays if they are equal.
Day first_difference(const std::vector<Day>& a, const std::vector<Day>& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return std::min(in_a == a.end() ? kEndOfDays : *in_a, in_b == b.end() ? kEndOfDays : *in_b);
}

// Those of `days` that decide who is a member (or a repeat member) of a window on `since` and later.
std::span<const Day> deciding(const std::vector<Day>& days, std::int32_t window, bool repeat, Day since) {
  if (since == kNoDay) return days;
  if (since == kEndOfDays) return {};
  const auto begins = window_of(window, since).first;
  const auto from = repeat ? window_of(window, begins - 1).first : begins;
  return {std::lower_bound(days.begin(), days.end(), from), days.end()};
}

// Members do not change before `since`; kNoDay: they may on any day.
void change_members(const Change& change, Contribution first, const std::vector<Day>& before,
                    const std::vector<Day>& after, Day since) {
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    const auto window = kWindows[w];
    change.active_days(in_window(first, w), members_of(deciding(before, window, false, since), window),
                       members_of(deciding(after, window, false, since), window));
  }
}

// The SKU of a brand before and after the change; the same object if it is not affected.
struct SkuChange {
  BrandNumber brand;
  const SkuTimeline* before;
  const SkuTimeline* after;

  [[nodiscard]] bool is_affected() const { return before != after; }
};
using SkuChanges = std::span<const SkuChange>;  // of one brand

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
  for (std::size_t w = 0; w < kWindowCount; ++w) {
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
  for (std::size_t w = 0; w < kWindowCount; ++w) {
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

void change_brand(const Change& change, SkuChanges skus, Day since) {
  for (const auto& sku : skus) {
    if (change.moved() || sku.is_affected()) change_sku(change, *sku.before, *sku.after);
  }
  change_buyers(change, skus);
  change_requesters(change, skus);
  change_on_shelf(change, skus);
  change_sales(change, skus, since);
}

std::vector<Day> order_days(const OutletFacts& facts) {
  std::vector<Day> days;
  days.reserve(facts.order_documents.size());
  for (const auto& [day, documents] : facts.order_documents) days.push_back(day);
  return days;
}

}  // namespace

FactsChange::FactsChange(const OutletFacts& facts, const MarketContext& context, Affected affected)
    : facts_(facts), context_(context), affected_(std::move(affected)) {
  if (affected_.kind == DocumentKind::order) ordered_before_ = order_days(facts);
  if (const auto* document = affected_.document) {
    const auto day = context.calendar.day_of(document->counted().event_time);
    contribute_document(*document, facts.activity.segment_on(day), -1, context, document_before_);
  }
  for (const auto sku : affected_.skus) {
    if (const auto brand = context.catalogue.brand_of(sku); brand != kNoBrand) brands_.push_back(brand);
  }
  std::sort(brands_.begin(), brands_.end());
  brands_.erase(std::unique(brands_.begin(), brands_.end()), brands_.end());
  since_ = first_day();
  if (since_ == kNoDay) activity_before_ = facts.activity;
  if (brands_.empty()) return;
  skus_before_.reserve(facts.skus.size());
  for (const auto& [number, sku] : facts.skus) {
    const auto brand = context.catalogue.brand_of(number);
    if (std::binary_search(brands_.begin(), brands_.end(), brand)) {
      skus_before_.push_back({number, brand, timeline(sku)});
    }
  }
}

// The day of a new document if it comes after all facts of its SKUs, no SKU of its brands has a fact of a later day, and
// the outlet stays active; else kNoDay.
Day FactsChange::first_day() const {
  if (affected_.changed_from == kNever || affected_.document != nullptr) return kNoDay;
  const auto day = context_.calendar.day_of(affected_.changed_from);
  if (day < facts_.activity.open_since) return kNoDay;
  const bool in_order = std::all_of(facts_.skus.begin(), facts_.skus.end(), [&](const auto& entry) {
    const auto& [number, sku] = entry;
    if (!std::binary_search(brands_.begin(), brands_.end(), context_.catalogue.brand_of(number))) return true;
    if (sku.latest() == nullptr || sku.latest()->timeline.last_day() > day) return false;
    if (!affected_.skus.contains(number)) return true;
    return (sku.facts().empty() || sku.facts().back().time < affected_.changed_from) &&
           (sku.requests().empty() || sku.requests().back().time < affected_.changed_from);
  });
  return in_order ? day : kNoDay;
}

SkuTimeline FactsChange::timeline(const SkuFacts& sku) const {
  return since_ == kNoDay ? timeline_of(sku) : timeline_since(since_, sku, affected_.kind);
}

const SkuTimeline* FactsChange::before(SkuNumber sku) const {
  static const SkuTimeline kNothing;
  const auto found = std::lower_bound(skus_before_.begin(), skus_before_.end(), sku,
                                      [](const SkuBefore& a, SkuNumber b) { return a.sku < b; });
  return found == skus_before_.end() || found->sku != sku ? &kNothing : &found->timeline;
}

// The flows of the other documents whose segment has changed.
void FactsChange::flows_of_moved(const Document* document, Differences& differences) const {
  for (const auto& other : facts_.documents) {
    if (other.get() == document) continue;
    const auto day = context_.calendar.day_of(other->counted().event_time);
    const auto was = activity_before_->segment_on(day);
    const auto is = facts_.activity.segment_on(day);
    if (was == is) continue;
    contribute_document(*other, was, -1, context_, differences);
    contribute_document(*other, is, +1, context_, differences);
  }
}

void FactsChange::append_differences(const Document* document, Differences& differences) const {
  auto& deltas = differences.deltas;
  deltas.insert(deltas.end(), document_before_.deltas.begin(), document_before_.deltas.end());
  differences.prices.insert(differences.prices.end(), document_before_.prices.begin(), document_before_.prices.end());
  const auto& after = facts_.activity;
  const auto& before = activity_before_ ? *activity_before_ : after;
  const bool moved = after != before;
  if (document != nullptr) {
    const auto day = context_.calendar.day_of(document->counted().event_time);
    contribute_document(*document, after.segment_on(day), +1, context_, differences);
  }
  if (moved) flows_of_moved(document, differences);

  const Change whole(before, after, moved, kNoBrand, deltas);
  if (moved) {
    for (const auto& [activity, sign] : {std::pair(&before, -1), std::pair(&after, +1)}) {
      const Steps steps(*activity, kNoBrand, sign, deltas);
      steps.of_active(Contribution::active_outlets, {kNoDay, kEndOfDays}, 1);
      steps.of_population(Contribution::dormant_outlets, {kNoDay, kEndOfDays}, 1);
      const Steps none(*activity, kNoBrand, -sign, deltas);
      none.of_active(Contribution::dormant_outlets, {kNoDay, kEndOfDays}, 1);
    }
  }
  if (moved || ordered_before_) {
    const auto ordered = order_days(facts_);
    const auto& ordered_before = ordered_before_.value_or(ordered);
    const auto since = moved ? kNoDay : first_difference(ordered_before, ordered);
    change_members(whole, Contribution::ordering_outlets, ordered_before, ordered, since);
  }

  // The SKUs of the affected brands, or of all if the outlet has moved. One that is not affected has the same timeline
  // before and after.
  std::vector<SkuChange> skus;
  std::deque<SkuTimeline> made;
  skus.reserve(moved ? facts_.skus.size() : skus_before_.size() + affected_.skus.size());
  for (const auto& [number, sku] : facts_.skus) {
    const auto brand = context_.catalogue.brand_of(number);
    const bool known = std::binary_search(brands_.begin(), brands_.end(), brand);
    if (brand == kNoBrand || (!moved && !known)) continue;
    const auto* was = this->before(number);
    if (known && !affected_.skus.contains(number)) {
      skus.push_back({brand, was, was});
    } else {
      const auto* is = &made.emplace_back(timeline(sku));
      skus.push_back({brand, known ? was : is, is});
    }
  }
  std::stable_sort(skus.begin(), skus.end(), [](const SkuChange& a, const SkuChange& b) { return a.brand < b.brand; });
  for (auto first = skus.begin(); first != skus.end();) {
    const auto end = std::find_if(first, skus.end(), [&](const SkuChange& sku) { return sku.brand != first->brand; });
    change_brand(Change(before, after, moved, first->brand, deltas), {first, end}, since_);
    first = end;
  }
}

}  // namespace fiverate
