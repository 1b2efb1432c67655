// Values of the trade folder, stored and restored.
#include "processors/stages/state_codec.h"

#include <gtest/gtest.h>

#include "processors/trade/measures/measure.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

TEST(StateCodec, RefusesColumnsOfUnequalLengthAndUnknownNumbers) {
  DayDifferencesState differences;
  differences.add_cells(0);
  differences.add_contributions(static_cast<std::uint32_t>(kContributionCount));
  differences.add_values(1);
  EXPECT_FALSE(is_valid(differences));
  differences.set_contributions(0, 0);
  EXPECT_TRUE(is_valid(differences));
  differences.add_values(2);
  EXPECT_FALSE(is_valid(differences));
}

TEST(StateCodec, RestoresPrices) {
  CellPrices prices;
  prices.of("s2").of(450).add(Day{6}, 3);
  prices.of("s1").of(500).add(Day{8}, 1);
  prices.of("s1").of(400).add(Day{-3}, 2);
  PricesState state;
  save(prices, state);
  ASSERT_TRUE(is_valid(state));
  const auto loaded = load(state);
  ASSERT_EQ(loaded.skus().size(), 2U);
  EXPECT_EQ(loaded.skus()[1].prices[0].second.through(Day{6}), 3);
  PricesState again;
  save(loaded, again);
  EXPECT_EQ(again.SerializeAsString(), state.SerializeAsString());
}

TEST(StateCodec, RestoresSkusInAnyOrder) {
  Catalogue catalogue;
  auto version = sku("s1", "B1", "2026-03-01").sku();
  version.set_guide_price_fen(0);
  version.set_brand_group("key");
  catalogue.apply(version);
  version.set_valid_from("2026-03-05");
  version.clear_guide_price_fen();
  const auto s1 = catalogue.apply(version, false, nth(10));
  const auto s2 = catalogue.apply(sku("s2", "B2").sku());
  Catalogue restored;
  restore(saved_sku(catalogue, s2), restored);
  restore(saved_sku(catalogue, s1), restored);
  EXPECT_EQ(restored.find("s1"), s1);
  EXPECT_EQ(restored.find("s2"), s2);
  EXPECT_EQ(restored.brand_id(restored.brand_of(s1)), "B1");
  EXPECT_TRUE(restored.in_brand_group(s1, nth(0)));
  EXPECT_EQ(restored.guide_price(s1, nth(9)), 0) << "a price of 0 is not the same as none";
  EXPECT_EQ(restored.guide_price(s1, nth(10)), std::nullopt);
  EXPECT_EQ(saved_sku(restored, s1).SerializeAsString(), saved_sku(catalogue, s1).SerializeAsString());
}

TEST(StateCodec, RestoresARegionWithItsHistory) {
  RegionTree regions;
  auto north = region("north", "", Region::COUNTY);
  regions.apply(north, 5);
  auto gone = revised(north, 2);
  gone.set_cancelled(true);
  const auto index = regions.apply(gone, 8);
  const auto state = saved_region(regions, index);
  ASSERT_TRUE(is_valid(state));
  RegionTree restored;
  restore(state, restored);
  EXPECT_TRUE(restored.is_county(restored.index_of("north"), 8));
  EXPECT_FALSE(restored.is_county(restored.index_of("north"), 9));
}

}  // namespace
}  // namespace fiverate::test
