// Rule R5: histories of a shop with the alerts that a market expert expects of them. Day 0 is 2026-03-01.
#include <gtest/gtest.h>

#include "tests/support/watched_shop.h"

namespace fiverate::test {
namespace {

// 100 packs on day 0, 14 sold in 14 days: 86 days of supply on day 14.
WatchedShop full_shop() {
  WatchedShop shop;
  for (int i = 0; i < 5; ++i) shop.gets(delivery(fmt::format("D{}", i), "shop", noon(nth(0)) + i, {{"s1", 20}}));
  shop.gets(counted("V1", noon(nth(0)) + 5, {{"s1", 100}}));
  shop.gets(counted("V2", noon(nth(14)), {{"s1", 86}}));
  return shop;
}

TEST(Overstock, FiresAfterSevenDaysOfWhichTheFirstIsFourWeeksAfterTheFirstCount) {
  auto shop = full_shop();
  shop.waits_until(nth(34));
  EXPECT_EQ(shop.log(), "");
  // On day 28 there are 72 packs left: 72 days, and more than two mean deliveries of 20. At the end of day 34 the
  // condition has held on seven days.
  shop.waits_until(nth(35));
  EXPECT_EQ(shop.log(), "R5 e1 FIRING 35d00:00 INFO\n");
  EXPECT_EQ(shop.evidence(0), "V2#1");
}

TEST(Overstock, ResolvesAfterSevenDaysWithFiveWeeksOfStock) {
  auto shop = full_shop();
  shop.waits_until(nth(75));
  // 35 packs are left at the end of day 65; the seventh such day ends with day 71.
  EXPECT_EQ(shop.log(), "R5 e1 FIRING 35d00:00 INFO\nR5 e1 RESOLVED 72d00:00 INFO\n");
}

TEST(Overstock, ADeliveryMakesItWorse) {
  auto shop = full_shop();
  shop.gets(delivery("D9", "shop", noon(nth(36)), {{"s1", 50}}));
  EXPECT_EQ(shop.log(), "R5 e1 FIRING 35d00:00 INFO\n");
  shop.waits_until(nth(37));
  EXPECT_EQ(shop.log(), "R5 e1 FIRING 35d00:00 INFO\nR5 e1 FIRING 37d00:00 since 35d00:00\n")
      << "a warning above 90 days of supply";
}

TEST(Overstock, NeedsARateOverTwoWeeksOfCounts) {
  WatchedShop shop;
  shop.gets(delivery("D1", "shop", noon(nth(0)), {{"s1", 100}}));
  shop.gets(counted("V1", noon(nth(0)) + 1, {{"s1", 100}}));
  shop.gets(counted("V2", noon(nth(13)), {{"s1", 99}}));
  shop.waits_until(nth(80));
  EXPECT_EQ(shop.log(), "");
}

TEST(Overstock, WithoutASaleAnyStockIsTooMuch) {
  WatchedShop shop;
  shop.gets(delivery("D1", "shop", noon(nth(0)), {{"s1", 3}}));
  shop.gets(delivery("D2", "shop", noon(nth(0)) + 1, {{"s1", 3}}));
  shop.gets(counted("V1", noon(nth(0)) + 2, {{"s1", 6}}));
  shop.gets(counted("V2", noon(nth(20)), {{"s1", 6}}));
  shop.waits_until(nth(35));
  EXPECT_EQ(shop.log(), "R5 e1 FIRING 35d00:00\n");
  shop.waits_until(nth(120));
  // The deliveries of day 0 are too old on day 91; seven such days end with day 97.
  EXPECT_EQ(shop.log(), "R5 e1 FIRING 35d00:00\nR5 e1 RESOLVED 98d00:00\n");
}

TEST(Overstock, ResolvesAtTheMidnightOfADayOutsideThePopulationAndCountsAgainFromZero) {
  auto shop = full_shop();
  shop.version(outlet("shop", nth(40), "north", Outlet::SUSPENDED));
  shop.version(outlet("shop", nth(42), "north"));
  shop.waits_until(nth(48));
  EXPECT_EQ(shop.log(), "R5 e1 FIRING 35d00:00 INFO\nR5 e1 RESOLVED 40d00:00 INFO\n");
  shop.waits_until(nth(49));
  EXPECT_EQ(shop.log(), "R5 e1 FIRING 35d00:00 INFO\nR5 e1 RESOLVED 40d00:00 INFO\nR5 e2 FIRING 49d00:00 INFO\n")
      << "days 42 to 48";
}

TEST(Overstock, IsTheSameAfterARestartOnAnyDay) {
  for (std::int32_t restart = 15; restart < 75; restart += 4) {
    auto shop = full_shop();
    shop.waits_until(nth(restart));
    shop.restarts();
    shop.waits_until(nth(75));
    EXPECT_EQ(shop.log(), "R5 e1 FIRING 35d00:00 INFO\nR5 e1 RESOLVED 72d00:00 INFO\n") << restart;
  }
}

TEST(Overstock, IsTheSameDayByDayAndForManyDaysAtOnce) {
  auto slow = full_shop();
  for (std::int32_t today = 15; today <= 120; ++today) slow.waits_until(nth(today));
  auto fast = full_shop();
  fast.waits_until(nth(120));
  EXPECT_EQ(slow.log(), fast.log());
}

}  // namespace
}  // namespace fiverate::test
