#include "processors/trade/rates.h"

#include <gtest/gtest.h>

#include <vector>

#include "processors/trade/measure.h"

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
  std::vector<std::int64_t> values(kBrandMeasureNames.size(), 0);
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
    return std::tuple(rate.name, rate.numerator, rate.denominator, rate.value_millionths, name_of(rate.status));
  };
  EXPECT_EQ(shown(rates[0]), (std::tuple("buying", 40, 50, 800'000, "OK")));
  EXPECT_EQ(shown(rates[1]), (std::tuple("coverage", 1, 3, 333'333, "OK")));
  EXPECT_EQ(shown(rates[2]), (std::tuple("repurchase", 30, 40, 750'000, "OK")));
  EXPECT_EQ(shown(rates[3]), (std::tuple("growth", -45, 90, -500'000, "OK")));
}

TEST(Rates, SayWhenTheSampleIsSmallOrTheDenominatorMissing) {
  const auto status = [](BrandMeasure measure, std::int64_t denominator, std::size_t rate) {
    return rates_of(measures({{measure, denominator}}))[rate].status;
  };
  EXPECT_EQ(status(BrandMeasure::active_outlets, 29, 0), RateStatus::low_sample);
  EXPECT_EQ(status(BrandMeasure::active_outlets, 30, 0), RateStatus::ok);
  EXPECT_EQ(status(BrandMeasure::active_outlets, 0, 0), RateStatus::no_denominator);
  EXPECT_EQ(status(BrandMeasure::counties, 1, 1), RateStatus::ok) << "coverage has no smallest sample";
  EXPECT_EQ(status(BrandMeasure::counties, 0, 1), RateStatus::no_denominator);
  EXPECT_EQ(status(BrandMeasure::buying_outlets, 1, 2), RateStatus::low_sample);
  EXPECT_EQ(status(BrandMeasure::previous_net_delivered_units, 1, 3), RateStatus::low_sample);
  EXPECT_EQ(status(BrandMeasure::previous_net_delivered_units, -40, 3), RateStatus::no_denominator)
      << "returns may outweigh deliveries";
}

TEST(Rates, OnlyThoseWithADenominatorHaveAValue) {
  EXPECT_TRUE((Rate{"", 0, 1, 0, RateStatus::ok}.has_value()));
  EXPECT_TRUE((Rate{"", 0, 1, 0, RateStatus::low_sample}.has_value()));
  EXPECT_FALSE((Rate{"", 0, 0, 0, RateStatus::no_denominator}.has_value()));
  EXPECT_FALSE((Rate{"", 1, 0, 0, RateStatus::infinite}.has_value()));
  EXPECT_EQ(name_of(RateStatus::infinite), "INFINITE");
}

}  // namespace
}  // namespace fiverate
