#include "processors/trade/reference/region_tree.h"

#include <gtest/gtest.h>

#include "tests/support/events.h"

namespace fiverate {
namespace {

constexpr Millis kLater = 1'000;

std::vector<std::string> path(RegionTree& tree, std::string_view region_id) {
  std::vector<std::string> ids;
  for (const auto region : tree.path_of(tree.index_of(region_id))) ids.push_back(tree.region_id(region));
  return ids;
}

using test::region;

TEST(RegionTree, LeadsFromACountyToTheWholeMarket) {
  RegionTree tree;
  tree.apply(region("CN", "", Region::COUNTRY), 1);
  tree.apply(region("city", "CN", Region::CITY), 2);
  tree.apply(region("north", "city", Region::COUNTY), 3);
  EXPECT_EQ(path(tree, "north"), (std::vector<std::string>{"north", "city", "CN", ""}));
  EXPECT_EQ(path(tree, ""), (std::vector<std::string>{""}));
  EXPECT_TRUE(tree.is_county(tree.index_of("north"), kLater));
  EXPECT_FALSE(tree.is_county(tree.index_of("city"), kLater));
}

TEST(RegionTree, RestoresRegionsInAnyOrder) {
  RegionTree live;
  std::vector<std::size_t> regions{live.apply(region("CN", "", Region::COUNTRY), 1),
                                   live.apply(region("city", "CN", Region::CITY), 2),
                                   live.apply(region("north", "city", Region::COUNTY), 3)};
  live.apply(test::revised(region("north", "city", Region::COUNTY), 2), 4);
  RegionTree tree;
  for (const auto index : {regions[2], regions[1], regions[0]}) tree.restore(live.history(index));
  EXPECT_TRUE(tree.is_county(tree.index_of("north"), 4)) << "a county since its first event";
  EXPECT_EQ(path(tree, "north"), (std::vector<std::string>{"north", "city", "CN", ""}));
  EXPECT_EQ(tree.size(), 4U);
}

TEST(RegionTree, AnUnknownRegionIsAChildOfTheRootUntilItsEventArrives) {
  RegionTree tree;
  EXPECT_EQ(path(tree, "later"), (std::vector<std::string>{"later", ""}));
  EXPECT_FALSE(tree.is_county(tree.index_of("later"), kLater));
  tree.apply(region("later", "CN", Region::COUNTY), 9);
  EXPECT_EQ(path(tree, "later"), (std::vector<std::string>{"later", "CN", ""}));
  EXPECT_TRUE(tree.is_county(tree.index_of("later"), kLater));
}

TEST(RegionTree, ACancelledCountyDoesNotCountUntilItsNextRevision) {
  RegionTree tree;
  const auto north = region("north", "", Region::COUNTY);
  tree.apply(north, 5);
  auto gone = test::revised(north, 2);
  gone.set_cancelled(true);
  tree.apply(gone, 6);
  EXPECT_FALSE(tree.is_county(tree.index_of("north"), kLater));
  tree.apply(test::revised(north, 3), 7);
  EXPECT_TRUE(tree.is_county(tree.index_of("north"), kLater));
  // Each day counts the events that arrived before it became final.
  const auto county_before = [&](Millis before) { return tree.is_county(tree.index_of("north"), before); };
  EXPECT_FALSE(county_before(5));
  EXPECT_TRUE(county_before(6));
  EXPECT_FALSE(county_before(7));
  EXPECT_TRUE(county_before(8));
}

}  // namespace
}  // namespace fiverate
