// What a change of an outlet's facts changes in its contributions to one brand.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "processors/trade/base/units.h"
#include "processors/trade/book/sku_timeline.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/delta.h"

namespace fiverate {

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
  Change(const Selection& selection, const OutletActivity& before, const OutletActivity& after, BrandNumber brand,
         std::vector<DatedDelta>& deltas)
      : selection_(selection),
        moved_(before != after),
        before_(before, brand, -1, deltas),
        after_(after, brand, +1, deltas) {}

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
  // Whether the outlet has moved: the days of its activity or its segments are others.
  [[nodiscard]] bool moved() const { return moved_; }
  // What the market computes.
  [[nodiscard]] const Selection& selection() const { return selection_; }

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

  const Selection& selection_;
  bool moved_;
  Steps before_;
  Steps after_;
};

// The SKU of a brand before and after the change; the same object if it is not affected.
struct SkuChange {
  BrandNumber brand;
  const SkuTimeline* before;
  const SkuTimeline* after;

  [[nodiscard]] bool is_affected() const { return before != after; }
};
using SkuChanges = std::span<const SkuChange>;  // of one brand

// Appends the differences of the days on which an outlet is a member of each window. `before` and `after`: the days that
// make it one, ascending, each once. Nothing changes before `since`; kNoDay: it may on any day.
void change_members(const Change& change, Contribution first, const std::vector<Day>& before,
                    const std::vector<Day>& after, Day since);

// Appends all differences of a brand: of the days from `since` on (kNoDay: of all days), which the timelines have.
void change_brand(const Change& change, SkuChanges skus, Day since);

// The first day that is in one of them only; kEndOfDays if they are equal. Both ascend.
Day first_difference(const std::vector<Day>& a, const std::vector<Day>& b);

}  // namespace fiverate
