// What a market computes, sends, stores and publishes: the groups of measures and the windows that its definition
// selects (`[rates] measures` and `[rates] windows`). What belongs to no group is always selected.
#pragma once

#include <cstdint>

#include "processors/trade/base/window.h"
#include "processors/trade/measures/measure.h"

namespace fiverate {

class MeasureGroups {
 public:
  static constexpr MeasureGroups none() { return {}; }
  static constexpr MeasureGroups all() {
    MeasureGroups groups;
    for (std::size_t i = 0; i < kMeasureGroupNames.size(); ++i) groups.insert(measure_group(i));
    return groups;
  }
  constexpr void insert(MeasureGroup group) { bits_ |= bit(group); }

  [[nodiscard]] constexpr bool has(MeasureGroup group) const { return (bits_ & bit(group)) != 0; }
  [[nodiscard]] constexpr bool has(BrandMeasure measure) const { return has(group_of(measure)); }
  // A rate needs both of its measures.
  [[nodiscard]] constexpr bool has(RateName rate) const {
    const auto& [numerator, denominator] = kRateFormulas[static_cast<std::size_t>(rate)];
    return has(numerator) && has(denominator);
  }
  friend constexpr bool operator==(MeasureGroups, MeasureGroups) = default;

 private:
  static constexpr unsigned bit(MeasureGroup group) { return 1U << static_cast<unsigned>(group); }
  unsigned bits_ = bit(MeasureGroup::always);
};

struct Selection {
  MeasureGroups measures = MeasureGroups::all();
  WindowSet windows = WindowSet::all();

  [[nodiscard]] constexpr bool has(MeasureGroup group) const { return measures.has(group); }
  [[nodiscard]] constexpr bool has(Contribution contribution) const {
    const auto& [group, window] = kContributionNeeds[static_cast<std::size_t>(contribution)];
    return measures.has(group) && (!window || windows.has(*window));
  }
  friend constexpr bool operator==(const Selection&, const Selection&) = default;
};

}  // namespace fiverate
