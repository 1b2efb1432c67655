#include "processors/trade/region_tree.h"

#include <gtest/gtest.h>

#include "tests/support/events.h"

namespace fiverate {
namespace {

RegionState state(const Event& event, Millis arrival) {
  RegionState result;
  *result.mutable_region() = event.region();
  result.set_cancelled(event.cancelled());
  result.set_arrival_ms(arrival);
  return result;
}

std::vector<std::string> path(RegionTree& tree, std::string_view region_id) {
  std::vector<std::string> ids;
  for (const auto region : tree.path_of(tree.index_of(region_id))) ids.push_back(tree.region_id(region));
  return ids;
}

using test::region;

TEST(RegionTree, LeadsFromACountyToTheWholeMarket) {
  RegionTree tree;
  tree.apply(state(region("CN", "", Region::COUNTRY), 1));
  tree.apply(state(region("city", "CN", Region::CITY), 2));
  tree.apply(state(region("north", "city", Region::COUNTY), 3));
  EXPECT_EQ(path(tree, "north"), (std::vector<std::string>{"north", "city", "CN", ""}));
  EXPECT_EQ(path(tree, ""), (std::vector<std::string>{""}));
  EXPECT_TRUE(tree.is_county(tree.index_of("north")));
  EXPECT_FALSE(tree.is_county(tree.index_of("city")));
}

TEST(RegionTree, TakesStoredRegionsInAnyOrder) {
  RegionTree tree;
  tree.apply(state(region("north", "city", Region::COUNTY), 3));
  tree.apply(state(region("city", "CN", Region::CITY), 2));
  tree.apply(state(region("CN", "", Region::COUNTRY), 1));
  EXPECT_EQ(path(tree, "north"), (std::vector<std::string>{"north", "city", "CN", ""}));
  EXPECT_EQ(tree.size(), 4U);
}

TEST(RegionTree, AnUnknownRegionHangsUnderTheMarketUntilItIsTold) {
  RegionTree tree;
  EXPECT_EQ(path(tree, "later"), (std::vector<std::string>{"later", ""}));
  EXPECT_FALSE(tree.is_county(tree.index_of("later")));
  tree.apply(state(region("later", "CN", Region::COUNTY), 9));
  EXPECT_EQ(path(tree, "later"), (std::vector<std::string>{"later", "CN", ""}));
  EXPECT_TRUE(tree.is_county(tree.index_of("later")));
}

TEST(RegionTree, ACancelledCountyIsNoneUntilItIsBack) {
  RegionTree tree;
  const auto north = region("north", "", Region::COUNTY);
  tree.apply(state(north, 5));
  auto gone = test::revised(north, 2);
  gone.set_cancelled(true);
  tree.apply(state(gone, 6));
  EXPECT_FALSE(tree.is_county(tree.index_of("north")));
  tree.apply(state(test::revised(north, 3), 7));
  EXPECT_TRUE(tree.is_county(tree.index_of("north")));
  EXPECT_EQ(tree.arrival(tree.index_of("north")), 5) << "the arrival of its first event";
}

}  // namespace
}  // namespace fiverate
