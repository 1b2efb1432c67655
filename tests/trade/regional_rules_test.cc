// Rules R3 and R6 at their exact limits, and retail prices.
#include "processors/trade/rules/regional_rules.h"

#include <gtest/gtest.h>

#include "processors/trade/rows/prices.h"
#include "schemas/format.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

RegionalVerdict stockout(std::int64_t x, std::int64_t n) {
  RegionFacts facts;
  facts.stockout_days = 7 * x + 6;  // A remainder of days does not count.
  facts.known_days = 7 * n + 6;
  return evaluate_stockout_region(facts);
}

TEST(StockoutRegion, HoldsFromTenPercentIfTheLowerBoundIsAboveFive) {
  EXPECT_FALSE(stockout(29, 29).verdict.holds) << "fewer than 30";
  EXPECT_FALSE(stockout(3, 30).verdict.holds) << "10 %, but the lower bound is below 5 %";
  EXPECT_TRUE(stockout(4, 30).verdict.holds);
  EXPECT_TRUE(stockout(20, 200).verdict.holds);
  EXPECT_FALSE(stockout(19, 200).verdict.holds) << "the lower bound is above 5 %, but the share is below 10 %";
  EXPECT_EQ(stockout(20, 200).value, 20);
  EXPECT_EQ(stockout(20, 200).threshold, 200);
}

TEST(StockoutRegion, IsCriticalFromAFifthAndClearAtSevenPercent) {
  EXPECT_EQ(stockout(19, 100).verdict.severity, Transition::WARNING);
  EXPECT_EQ(stockout(20, 100).verdict.severity, Transition::CRITICAL);
  EXPECT_TRUE(stockout(7, 100).verdict.clear);
  EXPECT_FALSE(stockout(8, 100).verdict.clear);
  EXPECT_TRUE(stockout(0, 0).verdict.clear);
}

RegionalVerdict overstock(std::int64_t stock, std::int64_t sales_of_28, std::int64_t known = 30,
                          std::int64_t listed = 30) {
  RegionFacts facts;
  facts.stock = {stock * 1'000'000, (sales_of_28 * 1'000'000 + 27) / 28, known, listed};
  return evaluate_overstock_region(facts);
}

TEST(OverstockRegion, HoldsAboveOneAndAHalfTimesTheSalesOfFourWeeks) {
  EXPECT_FALSE(overstock(150, 100).verdict.holds);
  EXPECT_TRUE(overstock(151, 100).verdict.holds);
  EXPECT_FALSE(overstock(151, 100, 29).verdict.holds);
  EXPECT_TRUE(overstock(151, 100, 30, 150).verdict.holds);
  EXPECT_FALSE(overstock(151, 100, 30, 151).verdict.holds) << "less than a fifth is known";
  EXPECT_FALSE(overstock(151, 0).verdict.holds) << "without sales there is nothing to compare the stock with";
  EXPECT_EQ(overstock(200, 100).verdict.severity, Transition::WARNING);
  EXPECT_EQ(overstock(201, 100).verdict.severity, Transition::CRITICAL);
  EXPECT_TRUE(overstock(130, 100).verdict.clear);
  EXPECT_FALSE(overstock(131, 100).verdict.clear);
}

class Regions : public testing::Test {
 protected:
  Regions() {
    regions.apply(region("CN", "", Region::COUNTRY), 0);
    regions.apply(region("city", "CN", Region::CITY), 0);
    regions.apply(region("north", "city", Region::COUNTY), 0);
    regions.apply(region("south", "city", Region::COUNTY), 0);
  }
  // Closes a day on which so many of the 100 outlet-SKUs of each county were out all week. Returns the transitions.
  std::string close_day(std::int32_t on, std::int64_t north, std::int64_t south) {
    std::map<std::string, RegionFacts> cells;
    cells["north"] = {7 * north, 700, {}};
    cells["south"] = {7 * south, 700, {}};
    std::vector<Transition> transitions;
    evaluate_regional_rules("B1", cells, {nth(on), shanghai().end_of(nth(on))}, selection, regions, alerts,
                            transitions);
    std::string text;
    for (const auto& one : transitions) {
      text += fmt::format("{} {} e{} {} {} {}/{} | ", one.rule(), one.region_id(), one.episode(),
                          Transition::State_Name(one.state()), Transition::Severity_Name(one.severity()), one.value(),
                          one.threshold());
      EXPECT_EQ(one.at_ms(), shanghai().start_of(nth(on + 1)));
      EXPECT_EQ(one.evidence(0).row().as_of_day(), nth(on).number);
    }
    return text;
  }

  RegionTree regions;
  Selection selection;
  RegionalAlerts alerts;
};

TEST_F(Regions, FireAfterTwoClosesAndResolveAfterThree) {
  EXPECT_EQ(close_day(0, 15, 0), "");
  EXPECT_EQ(close_day(1, 15, 0), "R3 north e1 FIRING WARNING 15/100 | ") << "the city as a whole has 7.5 %";
  EXPECT_EQ(close_day(2, 25, 0), "R3 north e1 FIRING CRITICAL 25/100 | ") << "worse";
  EXPECT_EQ(close_day(3, 30, 10), "R3 city e1 FIRING CRITICAL 40/200 | ")
      << "the second close of the city above 10 %, the first of the south";
  EXPECT_EQ(close_day(4, 5, 0), "");
  EXPECT_EQ(close_day(5, 5, 0), "");
  EXPECT_EQ(close_day(6, 5, 0), "R3 city e1 RESOLVED CRITICAL 5/200 | R3 north e1 RESOLVED CRITICAL 5/100 | ");
  EXPECT_TRUE(alerts.contains({"R3", "north"})) << "the number of its next episode is kept";
  EXPECT_FALSE(alerts.contains({"R3", "south"})) << "it never fired, so nothing is kept";
}

TEST_F(Regions, NoRuleIsEvaluatedForACountry) {
  EXPECT_EQ(close_day(0, 20, 20), "");
  EXPECT_EQ(
      close_day(1, 20, 20),
      "R3 city e1 FIRING CRITICAL 40/200 | R3 north e1 FIRING CRITICAL 20/100 | R3 south e1 FIRING CRITICAL 20/100 | ");
}

// Without the row that would be its evidence.
TEST_F(Regions, ARuleIsNotEvaluatedWithoutItsMeasuresAndWindow) {
  selection.windows = {};
  selection.windows.insert(2);
  EXPECT_TRUE(has_regional_rules(selection)) << "R6 has its window of 28 days";
  EXPECT_EQ(rules_not_evaluated(selection),
            std::vector<std::string>{
                "Rule R3 is not evaluated: it needs \"stock\" in rates.measures and 7 in rates.windows."});
  for (const auto on : {0, 1}) EXPECT_EQ(close_day(on, 20, 20), "");

  selection = {};
  EXPECT_TRUE(rules_not_evaluated(selection).empty());
  selection.measures = MeasureGroups::none();
  selection.measures.insert(MeasureGroup::purchases);
  EXPECT_FALSE(has_regional_rules(selection));
  EXPECT_EQ(rules_not_evaluated(selection).size(), 2U);
  for (const auto on : {2, 3}) EXPECT_EQ(close_day(on, 20, 20), "");
}

TEST_F(Regions, ARegionThatArrivedAfterTheCloseIsNotEvaluated) {
  regions.apply(region("late", "city", Region::COUNTY), shanghai().end_of(nth(1)));
  std::map<std::string, RegionFacts> cells{{"late", {7 * 50, 700, {}}}};
  std::vector<Transition> transitions;
  for (const auto on : {0, 1}) {
    evaluate_regional_rules("B1", cells, {nth(on), shanghai().end_of(nth(on))}, selection, regions, alerts,
                            transitions);
  }
  ASSERT_EQ(transitions.size(), 1U);
  EXPECT_EQ(transitions[0].region_id(), "city");
}

// ---- prices ---------------------------------------------------------------------------------------------------------

TEST(Prices, ArePlausibleWithinThreeTenthsAndThreeTimesTheGuidePrice) {
  EXPECT_FALSE(price_plausible(0, std::nullopt));
  EXPECT_TRUE(price_plausible(1, std::nullopt));
  EXPECT_FALSE(price_plausible(299, 1000));
  EXPECT_TRUE(price_plausible(300, 1000));
  EXPECT_TRUE(price_plausible(3000, 1000));
  EXPECT_FALSE(price_plausible(3001, 1000));
  EXPECT_FALSE(price_plausible(1, 0));
}

TEST(Prices, QuantilesAreReadings) {
  constexpr std::size_t kWindow = 1;
  Readings readings;
  for (const auto value : {500, 100, 300, 400, 200}) readings.add(value, kWindow, 1);
  readings.sort();
  EXPECT_EQ(readings.quantiles(kWindow, {25, 50, 75}), (std::array<std::int64_t, 3>{200, 300, 400}))
      << "the 2nd, 3rd and 4th of 5";
  Readings more;
  more.add(100, kWindow, 2);
  more.add(900, kWindow + 1, 9);  // of another window
  more.add(100, kWindow, 1);
  readings.add(more);
  readings.sort();
  EXPECT_EQ(readings.quantiles(kWindow, {25, 50, 75}), (std::array<std::int64_t, 3>{100, 100, 300}))
      << "the 2nd, 4th and 6th of 8";
  EXPECT_EQ(readings.size(kWindow), 8);
  EXPECT_EQ(readings.size(kWindow + 1), 9);
  Readings one;
  one.add(7, kWindow, 1);
  EXPECT_EQ(one.quantiles(kWindow, {25, 50, 75}), (std::array<std::int64_t, 3>{7, 7, 7}));
}

TEST(Prices, AreComparedWithTheGuidePriceOfTheirDay) {
  Catalogue catalogue;
  auto version = sku("s1", "B1", "2026-03-01").sku();
  version.set_guide_price_fen(1000);
  catalogue.apply(version);
  version.set_valid_from("2026-03-11");
  version.set_guide_price_fen(100);
  catalogue.apply(version);
  CellPrices prices;
  for (const auto on : {-5, 9, 10}) prices.of("s1").of(900).add(nth(on), 1);
  const DayRange all{nth(-10), nth(20)};
  const std::vector<WindowDays> windows{{0, all, {}, {}}, {1, {nth(9), nth(9)}, {}, {}}};
  const auto readings = readings_of(prices, windows, catalogue);
  EXPECT_EQ(readings.fen.size(0), 2) << "9 times the guide price on day 10";
  EXPECT_EQ(readings.fen.size(1), 1);
  EXPECT_EQ(readings.index.quantiles(0, {25, 50, 75})[1], 9000);
}

TEST(Prices, TheGuidePriceOfFinalDaysStays) {
  Catalogue catalogue;
  auto version = sku("s1", "B1", "2026-03-01").sku();
  version.set_guide_price_fen(1000);
  catalogue.apply(version);
  version.set_valid_from("2026-03-05");
  version.set_guide_price_fen(2000);
  catalogue.apply(version, false, nth(10));
  const auto s1 = *catalogue.find("s1");
  EXPECT_EQ(catalogue.guide_price(s1, nth(9)), 1000);
  EXPECT_EQ(catalogue.guide_price_holds_until(s1, nth(0)), nth(9));
  EXPECT_EQ(catalogue.guide_price(s1, nth(10)), 2000);
  catalogue.apply(version, true, nth(20));
  EXPECT_EQ(catalogue.guide_price(s1, nth(15)), 2000) << "final when it was cancelled";
  EXPECT_EQ(catalogue.guide_price(s1, nth(20)), 1000);
  Catalogue restored;
  restored.restore(s1, catalogue.entry(s1), "B1");
  for (const auto on : {0, 9, 10, 19, 20})
    EXPECT_EQ(restored.guide_price(s1, nth(on)), catalogue.guide_price(s1, nth(on)));
}

}  // namespace
}  // namespace fiverate::test
