// What derives from the tables of contributions, measures and rates.
#include "processors/trade/measures/measure.h"

#include <gtest/gtest.h>

#include "processors/trade/measures/selection.h"

namespace fiverate {
namespace {

TEST(MeasureTables, NumbersOfContributionsAreConsecutive) {
  std::size_t next = 0;
#define FIVERATE_CHECK_NUMBER(name, number, kind, group) \
  EXPECT_EQ(next, number) << #name;                      \
  next += ContributionKind::kind == ContributionKind::window_step ? kWindowCount : 1;
  FIVERATE_CONTRIBUTIONS(FIVERATE_CHECK_NUMBER)
#undef FIVERATE_CHECK_NUMBER
  EXPECT_EQ(next - 1 + kDocumentReasons.size(), kContributionCount);
}

TEST(MeasureTables, EachWindowAndEachReasonHasTheKindOfItsTableRow) {
  for (std::size_t window = 0; window < kWindowCount; ++window) {
    EXPECT_EQ(kind_of(in_window(Contribution::sold_units, window)), ContributionKind::window_step);
  }
  EXPECT_EQ(kind_of(Contribution::on_shelf_outlets), ContributionKind::step);
  EXPECT_EQ(kind_of(Contribution::unknown_days), ContributionKind::day_step);
  for (const auto reason : kDocumentReasons) EXPECT_EQ(kind_of(quarantined_for(reason)), ContributionKind::flow);
  EXPECT_EQ(quarantined_for(Reason::late), static_cast<Contribution>(74));
  EXPECT_TRUE(is_step(Contribution::stockout_days_estimated));
  EXPECT_FALSE(is_state_at_a_day(Contribution::stockout_days_estimated)) << "rows sum it over a window";
  EXPECT_FALSE(is_step(Contribution::delivered_units));
}

TEST(MeasureTables, EveryMeasureIsDerivedFromOneContributionOrComputed) {
  std::size_t derived = kMeasuresFrom<ContributionKind::flow>.size() + kMeasuresFrom<ContributionKind::step>.size() +
                        kMeasuresFrom<ContributionKind::window_step>.size() +
                        kMeasuresFrom<ContributionKind::day_step>.size();
  for (const auto& entry : kBrandMeasures) derived += entry.contribution ? 0 : 1;
  EXPECT_EQ(derived, kBrandValueCount);
  EXPECT_EQ(kBrandMeasureNames.back(), "stocks_known") << "inputs of rates have no name in JSON";
  EXPECT_EQ(kMarketMeasureNames[9], "quarantined_malformed");
  EXPECT_EQ(kRateNames[static_cast<std::size_t>(RateName::growth_yoy)], "growth_yoy");
  EXPECT_EQ(kRateFormulas[static_cast<std::size_t>(RateName::stockout_rate)].denominator, BrandMeasure::known_days);
}

MeasureGroups only(MeasureGroup group) {
  auto groups = MeasureGroups::none();
  groups.insert(group);
  return groups;
}

TEST(Selection, AMeasureHasTheGroupOfItsContribution) {
  EXPECT_EQ(group_of(BrandMeasure::known_days), MeasureGroup::stock) << "derived from in_stock_days";
  EXPECT_EQ(group_of(BrandMeasure::price_tags_ok), MeasureGroup::shelf);
  EXPECT_EQ(group_of(BrandMeasure::ordering_outlets), MeasureGroup::orders) << "a contribution of whole outlets";
  EXPECT_EQ(group_of(BrandMeasure::dormant_outlets), MeasureGroup::always);
  EXPECT_EQ(group_of(BrandMeasure::covered_counties), MeasureGroup::purchases);
  for (const auto& entry : kBrandMeasures) {
    if (!entry.contribution) continue;
    EXPECT_EQ(entry.group, group_of(*entry.contribution)) << entry.name;
  }
  for (const auto reason : kDocumentReasons) EXPECT_EQ(group_of(quarantined_for(reason)), MeasureGroup::always);
}

// So that each rate comes with exactly one group.
TEST(Selection, TheMeasuresOfARateAreOfOneGroupOrAlwaysThere) {
  std::array<std::size_t, kMeasureGroupNames.size()> rates{};
  for (std::size_t i = 0; i < kRateNames.size(); ++i) {
    const auto rate = static_cast<RateName>(i);
    std::size_t groups = 0;
    for (std::size_t group = 0; group < kMeasureGroupNames.size(); ++group) {
      if (!only(measure_group(group)).has(rate)) continue;
      ++groups;
      ++rates[group];
    }
    EXPECT_EQ(groups, 1U) << kRateNames[i];
    EXPECT_FALSE(MeasureGroups::none().has(rate)) << kRateNames[i];
    EXPECT_TRUE(MeasureGroups::all().has(rate)) << kRateNames[i];
  }
  EXPECT_EQ(rates, (std::array<std::size_t, 5>{5, 4, 3, 0, 5})) << "purchases, orders, shelf, prices, stock";
}

TEST(Selection, EveryGroupHasItsNameAndMeasures) {
  EXPECT_EQ(name_of(MeasureGroup::purchases), "purchases");
  EXPECT_EQ(name_of(MeasureGroup::stock), "stock");
  for (std::size_t i = 0; i < kMeasureGroupNames.size(); ++i) {
    EXPECT_TRUE(std::ranges::any_of(kBrandMeasures,
                                    [&](const BrandMeasureEntry& entry) { return entry.group == measure_group(i); }));
  }
}

TEST(Selection, AContributionOfAWindowNeedsItsGroupAndItsWindow) {
  Selection selection{only(MeasureGroup::purchases), {}};
  selection.windows.insert(1);
  EXPECT_TRUE(selection.has(in_window(Contribution::buying_outlets, 1)));
  EXPECT_FALSE(selection.has(in_window(Contribution::buying_outlets, 2)));
  EXPECT_FALSE(selection.has(in_window(Contribution::requesting_outlets, 1)));
  EXPECT_TRUE(selection.has(Contribution::delivered_units)) << "a flow counts in every window";
  EXPECT_FALSE(selection.has(Contribution::requested_units));
  EXPECT_TRUE(selection.has(Contribution::active_outlets));
  EXPECT_TRUE(selection.has(quarantined_for(Reason::revision_conflict)));
  for (std::size_t i = 0; i < kContributionCount; ++i) EXPECT_TRUE(Selection{}.has(static_cast<Contribution>(i))) << i;
}

}  // namespace
}  // namespace fiverate
