#include "processors/trade/rows/rates.h"

#include <gtest/gtest.h>

#include <vector>

#include "processors/trade/measures/measure.h"

namespace fiverate {
namespace {

TEST(Millionths, AreRoundedHalfAwayFromZero) {
  struct Case {
    std::int64_t numerator, denominator, expected;
  };
  for (const auto& [numerator, denominator, expected] : std::vector<Case>{
           {1, 3, 333'333},
           {2, 3, 666'667},
           {-2, 3, -666'667},
           {1, 2'000'000, 1},    // exactly half: up
           {-1, 2'000'000, -1},  // and down
           {1, 2'000'001, 0},
           {-1, 2'000'001, 0},
           {3, 2'000'000, 2},
           {0, 7, 0},
           {7, 7, 1'000'000},
           {9'000'000'000'000, 1, 9'000'000'000'000'000'000},  // the numerator times a million needs more than 64 bits
           {9'000'000'000'000'000'000, 9'000'000'000'000'000'000, 1'000'000}}) {
    EXPECT_EQ(millionths(numerator, denominator), expected) << numerator << "/" << denominator;
  }
}

std::vector<std::int64_t> measures(std::initializer_list<std::pair<BrandMeasure, std::int64_t>> given) {
  std::vector<std::int64_t> values(kBrandValueCount, 0);
  for (const auto& [measure, value] : given) values[static_cast<std::size_t>(measure)] = value;
  return values;
}

TEST(Rates, EachHasItsNumeratorAndDenominator) {
  const auto rates = rates_of(measures({{BrandMeasure::buying_outlets, 40},
                                        {BrandMeasure::active_outlets, 50},
                                        {BrandMeasure::covered_counties, 1},
                                        {BrandMeasure::counties, 3},
                                        {BrandMeasure::repeat_buying_outlets, 30},
                                        {BrandMeasure::net_delivered_units_change, -45},
                                        {BrandMeasure::previous_net_delivered_units, 90}}));
  const auto shown = [](const Rate& rate) {
    return std::tuple(rate.name(), rate.numerator, rate.denominator, rate.value_millionths(), name_of(rate.status));
  };
  const auto of = [&](RateName name) { return shown(rates[static_cast<std::size_t>(name)]); };
  EXPECT_EQ(of(RateName::buying), (std::tuple("buying", 40, 50, 800'000, "OK")));
  EXPECT_EQ(of(RateName::coverage), (std::tuple("coverage", 1, 3, 333'333, "OK")));
  EXPECT_EQ(of(RateName::repurchase), (std::tuple("repurchase", 30, 40, 750'000, "OK")));
  EXPECT_EQ(of(RateName::growth), (std::tuple("growth", -45, 90, -500'000, "OK")));
}

TEST(Rates, HaveAStatusForASmallSampleAndForAMissingDenominator) {
  const auto status = [](BrandMeasure measure, std::int64_t denominator, RateName rate) {
    return rates_of(measures({{measure, denominator}}))[static_cast<std::size_t>(rate)].status;
  };
  EXPECT_EQ(status(BrandMeasure::active_outlets, 29, RateName::buying), MetricsRow::Rate::LOW_SAMPLE);
  EXPECT_EQ(status(BrandMeasure::active_outlets, 30, RateName::buying), MetricsRow::Rate::OK);
  EXPECT_EQ(status(BrandMeasure::active_outlets, 0, RateName::buying), MetricsRow::Rate::NO_DENOMINATOR);
  EXPECT_EQ(status(BrandMeasure::counties, 1, RateName::coverage), MetricsRow::Rate::OK)
      << "coverage has no smallest sample";
  EXPECT_EQ(status(BrandMeasure::counties, 0, RateName::coverage), MetricsRow::Rate::NO_DENOMINATOR);
  EXPECT_EQ(status(BrandMeasure::buying_outlets, 1, RateName::repurchase), MetricsRow::Rate::LOW_SAMPLE);
  EXPECT_EQ(status(BrandMeasure::previous_net_delivered_units, 1, RateName::growth), MetricsRow::Rate::LOW_SAMPLE);
  EXPECT_EQ(status(BrandMeasure::previous_net_delivered_units, -40, RateName::growth), MetricsRow::Rate::NO_DENOMINATOR)
      << "returns may outweigh deliveries";
}

TEST(Rates, GrowthAgainstLastYearIsTheDifferenceToIt) {
  const auto rates = rates_of(
      measures({{BrandMeasure::net_delivered_units, 50}, {BrandMeasure::year_earlier_net_delivered_units, 40}}));
  const auto& growth = rates[static_cast<std::size_t>(RateName::growth_yoy)];
  EXPECT_EQ(growth.numerator, 10);
  EXPECT_EQ(growth.value_millionths(), 250'000);
}

TEST(Rates, StockWithoutSalesLastsForEver) {
  const auto status = [](std::int64_t stock, std::int64_t sales) {
    return rates_of(
               measures({{BrandMeasure::stock_units, stock},
                         {BrandMeasure::sales_28d_units, sales}}))[static_cast<std::size_t>(RateName::stock_to_sales)]
        .status;
  };
  EXPECT_EQ(status(5, 0), MetricsRow::Rate::INFINITE);
  EXPECT_EQ(status(0, 0), MetricsRow::Rate::NO_DENOMINATOR);
  EXPECT_EQ(status(5, 29), MetricsRow::Rate::LOW_SAMPLE);
  EXPECT_EQ(status(5, 30), MetricsRow::Rate::OK);
}

TEST(Rates, TheShareOfKnownStockAndTheStatusOfPricesAreOptional) {
  EXPECT_EQ(observed_share(0, 0), std::nullopt);
  EXPECT_EQ(observed_share(2, 1), 666'667);
  EXPECT_EQ(price_status(0), std::nullopt);
  EXPECT_EQ(price_status(4), MetricsRow::Rate::LOW_SAMPLE);
  EXPECT_EQ(price_status(5), MetricsRow::Rate::OK);
}

TEST(Rates, OnlyThoseWithADenominatorHaveAValue) {
  EXPECT_TRUE((Rate{RateName::buying, 0, 1, MetricsRow::Rate::OK}.has_value()));
  EXPECT_TRUE((Rate{RateName::buying, 0, 1, MetricsRow::Rate::LOW_SAMPLE}.has_value()));
  EXPECT_FALSE((Rate{RateName::buying, 0, 0, MetricsRow::Rate::NO_DENOMINATOR}.has_value()));
  EXPECT_FALSE((Rate{RateName::stock_to_sales, 1, 0, MetricsRow::Rate::INFINITE}.has_value()));
  EXPECT_EQ(name_of(MetricsRow::Rate::INFINITE), "INFINITE");
}

}  // namespace
}  // namespace fiverate
