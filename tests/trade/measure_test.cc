// What derives from the tables of contributions, measures and rates.
#include "processors/trade/measures/measure.h"

#include <gtest/gtest.h>

namespace fiverate {
namespace {

TEST(MeasureTables, NumbersOfContributionsAreConsecutive) {
  std::size_t next = 0;
#define FIVERATE_CHECK_NUMBER(name, number, kind) \
  EXPECT_EQ(next, number) << #name;               \
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

}  // namespace
}  // namespace fiverate
