// Histories of a shop with the alerts that a market expert expects of them. Day 0 is 2026-03-01.
#include <gtest/gtest.h>

#include <array>

#include "tests/support/stock_state.h"
#include "tests/support/watched_shop.h"

namespace fiverate::test {
namespace {

Event delivered(const std::string& id, Day day, std::int64_t quantity) {
  return delivery(id, "shop", noon(day), {{"s1", quantity}});
}

// Ten packs on day 0, none left on day 7.
WatchedShop empty_shop(bool key_brand = false) {
  WatchedShop shop(key_brand);
  shop.gets(delivered("D1", nth(0), 10));
  shop.gets(counted("V1", noon(nth(7)), {{"s1", 0}}));
  return shop;
}

// ---- R1, confirmed stockout -----------------------------------------------------------------------------------------

TEST(ConfirmedStockout, FromTheCountOfZeroToTheNextDelivery) {
  auto shop = empty_shop();
  shop.gets(delivered("D2", nth(9), 5));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\nR1 e1 RESOLVED 9d12:00\n");
  EXPECT_EQ(shop.evidence(0), "V1#1");
  EXPECT_EQ(shop.evidence(1), "V1#1 D2#1");
}

TEST(ConfirmedStockout, ACountAboveZeroEndsItToo) {
  auto shop = empty_shop();
  shop.gets(counted("V2", noon(nth(8)), {{"s1", 1}}));  // within one unit of nothing
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\nR1 e1 RESOLVED 8d12:00\n");
}

TEST(ConfirmedStockout, ASecondCountOfZeroPublishesNothing) {
  auto shop = empty_shop();
  shop.gets(counted("V2", noon(nth(8)), {{"s1", 0}}));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\n");
}

TEST(ConfirmedStockout, NeedsFourUnitsDeliveredInTheNinetyDaysBefore) {
  WatchedShop shop;
  shop.gets(delivered("D1", nth(0), 3));
  shop.gets(counted("V1", noon(nth(7)), {{"s1", 0}}));
  EXPECT_EQ(shop.log(), "");
  shop.gets(delivered("D2", nth(8), 1));
  shop.gets(counted("V2", noon(nth(90)), {{"s1", 0}}));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 90d12:00\n") << "3 on day 0 and 1 on day 8";
}

TEST(ConfirmedStockout, OfAKeyBrandIsCritical) {
  EXPECT_EQ(empty_shop(true).log(), "R1 e1 FIRING 7d12:00 CRITICAL\n");
}

TEST(ConfirmedStockout, EndsWhenTheSkuIsNoLongerListed) {
  auto shop = empty_shop();
  shop.waits_until(nth(64));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\n");
  shop.waits_until(nth(65));  // out since day 7 and not ordered: day 64 is the first on which it is not listed
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\nR1 e1 RESOLVED 65d00:00\n");
}

TEST(ConfirmedStockout, AnOrderKeepsItListedForNinetyDaysAfterTheLastDelivery) {
  auto shop = empty_shop();
  shop.gets(ordered("O1", noon(nth(64)), 5, 0));
  shop.waits_until(nth(91));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\n");
  shop.waits_until(nth(92));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\nR1 e1 RESOLVED 92d00:00\n");
}

TEST(ConfirmedStockout, EndsAtTheMidnightOfADayOutsideThePopulationAndDoesNotComeBack) {
  auto shop = empty_shop();
  shop.version(outlet("shop", nth(10), "north", Outlet::SUSPENDED));
  shop.version(outlet("shop", nth(12), "north"));
  shop.waits_until(nth(20));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\nR1 e1 RESOLVED 10d00:00\n");
  shop.gets(counted("V2", noon(nth(21)), {{"s1", 0}}));
  EXPECT_EQ(shop.transitions.size(), 2U) << "the same stockout as before";
  shop.gets(delivered("D2", nth(22), 4));
  shop.gets(counted("V3", noon(nth(25)), {{"s1", 0}}));
  EXPECT_EQ(shop.transitions.size(), 3U) << "a new stockout";
}

TEST(ConfirmedStockout, IsRetractedWhenItsCountIsCancelled) {
  auto shop = empty_shop();
  shop.gets(cancelled(counted("V1", noon(nth(7)), {}), 2), noon(nth(8)));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\nR1 e1 RETRACTED 8d12:00\n");
  EXPECT_EQ(shop.evidence(1), "V1#1");
}

TEST(ConfirmedStockout, KnownOnlyAfterItsEndSendsBoth) {
  WatchedShop shop;
  shop.gets(delivered("D1", nth(0), 10));
  shop.gets(delivered("D2", nth(9), 10));
  shop.gets(counted("V1", noon(nth(7)), {{"s1", 0}}), noon(nth(11)));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00 known 11d12:00\nR1 e1 RESOLVED 9d12:00 known 11d12:00\n");
}

TEST(ConfirmedStockout, ResolvedAgainWhenItsEndMoves) {
  auto shop = empty_shop();
  shop.gets(delivered("D2", nth(11), 5));
  shop.gets(delivered("D3", nth(9), 5), noon(nth(12)));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\nR1 e1 RESOLVED 11d12:00\nR1 e1 RESOLVED 9d12:00 known 12d12:00\n");
}

TEST(ConfirmedStockout, FiresAgainInItsEpisodeWhenTheDeliveryThatEndedItIsCancelled) {
  auto shop = empty_shop();
  shop.gets(delivered("D2", nth(9), 5));
  shop.gets(cancelled(delivered("D2", nth(9), 5), 2), noon(nth(10)));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\nR1 e1 RESOLVED 9d12:00\nR1 e1 FIRING 7d12:00 known 10d12:00\n");
}

TEST(ConfirmedStockout, AStartThatMovesPublishesNothing) {
  auto shop = empty_shop();
  shop.gets(counted("V0", noon(nth(5)), {{"s1", 0}}), noon(nth(8)));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\n");
  shop.gets(delivered("D2", nth(9), 5));
  EXPECT_EQ(shop.transitions.back().since_ms(), noon(nth(5)));
}

TEST(ConfirmedStockout, FactsOfOneInstantCountTogether) {
  WatchedShop shop;
  shop.gets(delivered("D1", nth(0), 10));
  // A delivery and a count of 0 at one instant: the count is the later fact, so the SKU is out. It stays out in the
  // second pair.
  shop.gets(delivered("D2", nth(7), 4));
  shop.gets(counted("V1", noon(nth(7)), {{"s1", 0}}));
  shop.gets(delivered("D3", nth(9), 4));
  shop.gets(counted("V2", noon(nth(9)), {{"s1", 0}}), noon(nth(9)));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\nR1 e1 RESOLVED 9d12:00\nR1 e1 FIRING 7d12:00 known 9d12:00\n");
}

TEST(ConfirmedStockout, ACountAheadOfTheClockFiresWhenTheClockReachesIt) {
  WatchedShop shop;
  shop.gets(delivered("D1", nth(0), 10));
  shop.gets(counted("V1", noon(nth(7)), {{"s1", 0}}), noon(nth(7)) - 3 * kMinuteMs);
  EXPECT_EQ(shop.log(), "");
  shop.waits_until(noon(nth(8)));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 7d12:00\n");
}

TEST(ConfirmedStockout, AnImplausibleCountIsRejectedUntilASecondOneAgrees) {
  WatchedShop shop;
  shop.gets(delivered("D1", nth(0), 10));
  shop.gets(counted("V1", noon(nth(2)), {{"s1", 3}}));
  shop.gets(counted("V2", noon(nth(4)), {{"s1", 0}}));
  shop.gets(counted("V3", noon(nth(5)), {{"s1", 6}}));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 4d12:00\n") << "6 after 0 without a delivery";
  shop.gets(counted("V4", noon(nth(6)), {{"s1", 5}}));
  EXPECT_EQ(shop.log(), "R1 e1 FIRING 4d12:00\nR1 e1 RESOLVED 6d12:00\n");
}

// ---- R2, predicted stockout -----------------------------------------------------------------------------------------

// 2 packs a day: 20 on day 0, 6 on day 7.
WatchedShop selling_shop() {
  WatchedShop shop;
  shop.gets(counted("V1", noon(nth(0)), {{"s1", 20}}));
  shop.gets(counted("V2", noon(nth(7)), {{"s1", 6}}));
  return shop;
}

TEST(PredictedStockout, FiresAtTheMidnightAtWhichLessThanTwoDaysAreLeft) {
  auto shop = selling_shop();
  shop.waits_until(nth(9));
  EXPECT_EQ(shop.log(), "R2 e1 FIRING 9d00:00 INFO\n") << "6, 4, 2 at the end of days 7, 8, 9";
  EXPECT_EQ(shop.transitions[0].value(), 2'000'000);
  EXPECT_EQ(shop.transitions[0].threshold(), 4'000'000);
  EXPECT_EQ(shop.evidence(0), "V2#1");
}

TEST(PredictedStockout, ResolvesWhenThreeDaysOfSupplyAreLeftAgain) {
  auto shop = selling_shop();
  shop.gets(delivered("D1", nth(9), 3));
  EXPECT_EQ(shop.log(), "R2 e1 FIRING 9d00:00 INFO\n") << "5 left: more than 2 days, less than 3";
  shop.gets(delivered("D2", nth(9), 1));
  EXPECT_EQ(shop.log(), "R2 e1 FIRING 9d00:00 INFO\nR2 e1 RESOLVED 9d12:00 INFO\n");
  EXPECT_EQ(shop.evidence(1), "D2#1 V2#1");
}

TEST(PredictedStockout, IsAWarningWhenTheLastOrderWasConfirmedShort) {
  auto shop = selling_shop();
  shop.gets(ordered("O1", noon(nth(8)), 10, 7));
  shop.waits_until(nth(9));
  EXPECT_EQ(shop.log(), "R2 e1 FIRING 9d00:00\n");
}

TEST(PredictedStockout, RisesToAWarningOnce) {
  auto shop = selling_shop();
  shop.waits_until(nth(9));
  shop.gets(ordered("O1", noon(nth(9)), 10, 7));
  shop.gets(ordered("O2", noon(nth(9)) + 1, 10, 10));
  EXPECT_EQ(shop.log(), "R2 e1 FIRING 9d00:00 INFO\nR2 e1 FIRING 9d12:00 since 9d00:00\n");
}

TEST(PredictedStockout, EndsWhenTheCountIsTooOld) {
  auto shop = selling_shop();
  shop.waits_until(nth(35));
  EXPECT_EQ(shop.transitions.size(), 1U);
  shop.waits_until(nth(36));
  EXPECT_EQ(shop.log(), "R2 e1 FIRING 9d00:00 INFO\nR2 e1 RESOLVED 36d00:00 INFO\n");
}

TEST(PredictedStockout, ResolvesWhenTheStockoutIsConfirmed) {
  auto shop = selling_shop();
  shop.gets(delivered("D1", nth(8), 4));
  shop.gets(counted("V3", noon(nth(12)), {{"s1", 0}}));
  EXPECT_EQ(shop.log(), "R2 e1 FIRING 11d00:00 INFO\nR1 e1 FIRING 12d12:00\nR2 e1 RESOLVED 12d12:00 INFO\n");
}

TEST(PredictedStockout, HoldsOnlyWhileTheOutletIsInThePopulation) {
  auto shop = selling_shop();
  shop.version(outlet("shop", nth(9), "north", Outlet::SUSPENDED));
  shop.version(outlet("shop", nth(11), "north"));
  shop.version(outlet("shop", nth(13), "north", Outlet::CLOSED));
  shop.waits_until(nth(20));
  EXPECT_EQ(shop.log(), "R2 e1 FIRING 11d00:00 INFO\nR2 e1 RESOLVED 13d00:00 INFO\n");
}

// ---- states and zero crossing of the book ----

std::string states(const WatchedShop& shop, const std::vector<std::int32_t>& days) {
  constexpr std::array<std::string_view, 4> kNames{"NOT_LISTED", "UNKNOWN", "OUT", "IN"};
  const auto& facts = shop.shop.facts.skus.begin()->second;
  std::string text;
  for (const auto day : days) {
    text += fmt::format("{} {}\n", day, kNames[static_cast<std::size_t>(state_at_end_of(nth(day), facts))]);
  }
  return text;
}

TEST(StockStates, ADeliveryIsKnownFor56DaysAndListedFor90) {
  WatchedShop shop;
  shop.gets(delivered("D1", nth(0), 10));
  EXPECT_EQ(states(shop, {-1, 0, 55, 56, 90, 91}),
            "-1 NOT_LISTED\n0 IN\n55 IN\n56 UNKNOWN\n90 UNKNOWN\n91 NOT_LISTED\n");
}

TEST(StockStates, OutUntilTheNextDeliveryOrUntilItIsNoLongerOrdered) {
  auto shop = empty_shop();
  EXPECT_EQ(states(shop, {6, 7, 62, 63, 64}), "6 IN\n7 OUT\n62 OUT\n63 UNKNOWN\n64 NOT_LISTED\n");
  shop.gets(ordered("O1", noon(nth(20)), 5, 0));
  EXPECT_EQ(states(shop, {64, 90, 91}), "64 UNKNOWN\n90 UNKNOWN\n91 NOT_LISTED\n");
  shop.gets(delivered("D2", nth(22), 5));
  EXPECT_EQ(states(shop, {21, 22}), "21 OUT\n22 IN\n");
}

// The end of a confirmed stockout is 24:00 of the first day on which the SKU is not listed: rule and state agree on
// that day.
TEST(StockStates, AgreeWithTheEndOfTheConfirmedStockout) {
  for (const bool orders : {false, true}) {
    auto shop = empty_shop();
    if (orders) shop.gets(ordered("O1", noon(nth(30)), 5, 0));
    shop.waits_until(nth(120));
    const auto& facts = shop.shop.facts.skus.begin()->second;
    auto day = nth(7);
    while (state_at_end_of(day, facts) != StockState::not_listed) day = day + 1;
    EXPECT_EQ(shop.transitions.back().at_ms(), shanghai().start_of(day + 1));
  }
}

TEST(Book, ReachesZeroAfterTheWholeDaysThatTheLevelLasts) {
  WatchedShop shop;
  shop.gets(counted("V1", noon(nth(0)), {{"s1", 20}}));
  const auto crossing = [&] {
    Book book;
    for (const auto& fact : shop.shop.facts.skus.begin()->second.facts()) book.apply(fact);
    return book.zero_crossing();
  };
  EXPECT_EQ(crossing(), std::nullopt) << "no rate yet";
  shop.gets(counted("V2", noon(nth(7)), {{"s1", 6}}));
  EXPECT_EQ(crossing(), nth(10)) << "6 at 2 a day";
  shop.gets(delivered("D1", nth(8), 1));
  EXPECT_EQ(crossing(), nth(11)) << "5 at 2 a day, rounded up";
}

// ---- restarts and folding -------------------------------------------------------------------------------------------

TEST(Stockouts, AreTheSameAfterARestartAtAnyMoment) {
  const auto live = [](int restart_after) {
    WatchedShop shop;
    int step = 0;
    const auto gets = [&](const Event& event) {
      shop.gets(event);
      if (step++ == restart_after) shop.restarts();
    };
    gets(delivered("D1", nth(0), 20));
    gets(counted("V1", noon(nth(1)), {{"s1", 20}}));
    gets(counted("V2", noon(nth(8)), {{"s1", 5}}));
    gets(ordered("O1", noon(nth(9)), 10, 5));
    gets(counted("V3", noon(nth(12)), {{"s1", 0}}));
    gets(delivered("D2", nth(14), 5));
    gets(cancelled(delivered("D2", nth(14), 5), 2));
    shop.waits_until(nth(120));
    return shop.log();
  };
  const auto expected = live(-1);
  EXPECT_NE(expected.find("R2 e1 FIRING"), std::string::npos);
  EXPECT_NE(expected.find("R1 e1 FIRING 12d12:00 known"), std::string::npos);
  for (int step = 0; step < 7; ++step) EXPECT_EQ(live(step), expected) << "restart after step " << step;
}

// The alerts of two years do not depend on whether old facts are folded into the opening.
TEST(Stockouts, DoNotDependOnFoldedFacts) {
  WatchedShop shop;
  std::string expected;
  for (int cycle = 0; cycle < 24; ++cycle) {
    const auto begin = 28 * cycle;
    shop.gets(delivered(fmt::format("D{}", cycle), nth(begin), 30));
    shop.gets(counted(fmt::format("A{}", cycle), noon(nth(begin + 1)), {{"s1", 30}}));
    shop.gets(counted(fmt::format("B{}", cycle), noon(nth(begin + 15)), {{"s1", 2}}));
    shop.gets(counted(fmt::format("C{}", cycle), noon(nth(begin + 20)), {{"s1", 0}}));
    expected +=
        fmt::format("R1 e{0} FIRING {1}d12:00\nR1 e{0} RESOLVED {2}d12:00\n", cycle + 1, begin + 20, begin + 28);
  }
  shop.waits_until(nth(28 * 24 - 1));
  std::string confirmed;
  for (std::size_t from = 0; from < shop.log().size();) {
    const auto log = shop.log();
    const auto end = log.find('\n', from) + 1;
    if (log.substr(from, 2) == "R1") confirmed += log.substr(from, end - from);
    from = end;
  }
  expected.resize(expected.rfind("R1"));  // The last stockout is still open.
  EXPECT_EQ(confirmed, expected);
  EXPECT_LT(shop.shop.facts.documents.size(), 60U);
}

}  // namespace
}  // namespace fiverate::test
