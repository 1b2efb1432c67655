// The timeline of one SKU, day by day, in tables that a market expert can check. Day 0 is 2026-03-01.
#include "processors/trade/book/sku_timeline.h"

#include <gtest/gtest.h>

#include "processors/trade/book/stockout.h"
#include "schemas/format.h"
#include "tests/support/shop.h"
#include "tests/support/stock_state.h"
#include "tests/support/watched_shop.h"

namespace fiverate::test {
namespace {

class Shelf : public testing::Test {
 protected:
  Shelf() {
    shop.knows_sku("s1", "B1");
    shop.version(outlet("shop", nth(-10), "north"));
    shop.limits = {1000 * kDayMs, 1000 * kDayMs, 1000 * kDayMs, 0};
  }
  void out(std::int32_t on, std::int64_t quantity) {
    shop.receives(delivery(fmt::format("D{}", ++documents), "shop", noon(nth(on)), {{"s1", quantity}}));
  }
  void back(std::int32_t on, std::int64_t quantity) {
    shop.receives(returned(fmt::format("R{}", ++documents), "shop", noon(nth(on)), {{"s1", quantity}}));
  }
  void seen(std::int32_t on, std::int64_t count) {
    ++documents;
    shop.receives(counted(fmt::format("V{}", documents), noon(nth(on)) + documents, {{"s1", count}}));
  }
  void requests(std::int32_t on, std::int64_t requested) {
    shop.receives(ordered(fmt::format("O{}", ++documents), noon(nth(on)), requested, 0));
  }
  SkuTimeline timeline() { return timeline_of(shop.facts.skus.at(*shop.context.catalogue.find("s1"))); }

  // "0-9 20-": days, the last one open.
  static std::string days(const Intervals& set) {
    std::string text;
    for (const auto& one : set) {
      text += (text.empty() ? "" : " ") + std::to_string(one.from - nth(0)) + "-";
      if (one.to != kEndOfDays) text += std::to_string(one.to - nth(1));
    }
    return text;
  }
  std::string states() {
    const auto shown = timeline();
    return fmt::format("in {} | out {} | unknown {}", days(shown.in), days(shown.out), days(shown.unknown));
  }
  // "12-18: 15/9", available/sold by day.
  std::string sell_through(std::int32_t window) {
    std::string text;
    for (const auto& one : sell_through_of(timeline().counts, window)) {
      text += fmt::format("{}{}: {}/{}", text.empty() ? "" : ", ", days({one.days}), one.available, one.sold);
    }
    return text;
  }

  Shop shop;
  int documents = 0;
};

TEST_F(Shelf, AfterADeliveryInForFiftySixDaysThenUnknownUntilItIsNoLongerListed) {
  out(0, 10);
  EXPECT_EQ(states(), "in 0-55 | out  | unknown 56-90");
  EXPECT_EQ(days(timeline().on_shelf), "0-27");
}

TEST_F(Shelf, OutFromACountOfZeroToTheNextDelivery) {
  out(0, 10);
  seen(7, 0);
  out(12, 5);
  EXPECT_EQ(states(), "in 0-6 12-67 | out 7-11 | unknown 68-102");
  EXPECT_EQ(days(timeline().on_shelf), "0-6 12-39");
}

TEST_F(Shelf, AReturnNeverMakesOut) {
  out(0, 10);
  back(3, 10);
  EXPECT_EQ(states(), "in 0-55 | out  | unknown 56-90");
}

TEST_F(Shelf, OutForLongIsNotListedUnlessItIsOrdered) {
  out(0, 10);
  seen(7, 0);
  seen(40, 0);  // fresh enough to be known
  EXPECT_EQ(states(), "in 0-6 | out 7-63 | unknown ");
  requests(70, 5);
  EXPECT_EQ(states(), "in 0-6 | out 7-63 70-90 | unknown ") << "listed again with the order of day 70";
  requests(64, 5);
  EXPECT_EQ(states(), "in 0-6 | out 7-90 | unknown ") << "ordered in time";
}

TEST_F(Shelf, TheBookReachesZeroBeforeACount) {
  out(0, 20);
  seen(0, 20);
  seen(10, 10);  // one a day
  EXPECT_EQ(days(timeline().estimated_out), "20-65") << "10 left on day 10";
  out(15, 3);
  EXPECT_EQ(days(timeline().estimated_out), "23-70");
}

TEST_F(Shelf, StatesEqualThoseComputedForEachDayAlone) {
  out(0, 10);
  seen(5, 4);
  seen(9, 0);
  requests(30, 2);
  seen(31, 0);
  out(60, 2);
  back(61, 1);
  const auto shown = timeline();
  const auto& facts = shop.facts.skus.at(*shop.context.catalogue.find("s1"));
  for (std::int32_t number = -3; number < 200; ++number) {
    const auto state = state_at_end_of(nth(number), facts);
    EXPECT_EQ(contains(shown.in, nth(number)), state == StockState::in) << number;
    EXPECT_EQ(contains(shown.out, nth(number)), state == StockState::out) << number;
    EXPECT_EQ(contains(shown.unknown, nth(number)), state == StockState::unknown) << number;
  }
}

TEST_F(Shelf, SellThroughIsTheAvailableUnitsAndThoseSoldOfThem) {
  out(0, 10);
  seen(0, 10);
  out(3, 5);
  seen(6, 6);
  EXPECT_EQ(sell_through(7), "6-6: 15/9") << "only the window of day 6 holds both counts";
  EXPECT_EQ(sell_through(28), "6-27: 15/9");
  EXPECT_EQ(sell_through(kMonth), "6-30: 15/9");
  back(5, 4);
  EXPECT_EQ(sell_through(7), "6-6: 15/5") << "returned units are not sold";
}

TEST_F(Shelf, SellThroughOfThreeCountsUsesTheFirstAndTheLastInTheWindow) {
  out(0, 30);
  seen(0, 30);
  seen(4, 20);
  seen(9, 15);
  EXPECT_EQ(sell_through(7), "4-6: 30/10, 9-10: 20/5");
  EXPECT_EQ(sell_through(28), "4-8: 30/10, 9-27: 30/15, 28-31: 20/5");
}

TEST_F(Shelf, OnlyCountsOfListedSkusAreListedCounts) {
  seen(0, 2);
  out(1, 5);
  seen(91, 0);
  seen(92, 0);
  std::string text;
  for (const auto& one : timeline().listed_counts)
    text += fmt::format("{}: {}/{} ", one.day - nth(0), one.zeros, one.counts);
  EXPECT_EQ(text, "91: 1/1 ") << "never delivered on day 0, no longer listed on day 92";
}

// ---- contributions --------------------------------------------------------------------------------------------------

TEST_F(Shelf, StockFallsInAStraightLineAndStaysAtZero) {
  out(0, 20);
  seen(0, 20);
  seen(10, 10);
  const auto stock = [&](std::int32_t on) {
    const auto base = shop.value("B1", Contribution::stock_base, nth(on));
    const auto slope = shop.value("B1", Contribution::stock_slope, nth(on));
    return wrapped_sum(base, wrapped_product(-1, wrapped_product(slope, nth(on).number)));
  };
  EXPECT_EQ(stock(-1), 0);
  EXPECT_EQ(stock(5), 20'000'000) << "no rate is known before the second count";
  EXPECT_EQ(stock(10), 10'000'000);
  EXPECT_EQ(stock(17), 3'000'000);
  EXPECT_EQ(stock(25), 0);
  EXPECT_EQ(shop.value("B1", Contribution::stocks_known, nth(25)), 1);
  EXPECT_EQ(shop.value("B1", Contribution::sales_rate, nth(25)), 1'000'000);
  shop.version(outlet("shop", nth(12), "north", Outlet::CLOSED));
  EXPECT_EQ(stock(17), 0) << "of active outlets only";
  EXPECT_EQ(shop.value("B1", Contribution::in_stock_days, nth(11)), 1);
  EXPECT_EQ(shop.value("B1", Contribution::in_stock_days, nth(12)), 0);
}

TEST_F(Shelf, ACorrectedVisitReplacesItsPricesAndChecks) {
  auto first = visit("V", "shop", noon(nth(3)));
  auto& check = *first.mutable_visit()->add_checks();
  check.set_sku_id("s1");
  check.set_facings(2);
  check.set_retail_price_fen(450);
  check.set_price_tag(Visit::WRONG);
  shop.receives(first);
  EXPECT_EQ(shop.readings(450, nth(3)), 1);
  EXPECT_EQ(shop.value("B1", Contribution::shelf_present, nth(3)), 1);
  EXPECT_EQ(shop.value("B1", Contribution::price_tags_checked, nth(3)), 1);
  EXPECT_EQ(shop.value("B1", Contribution::price_tags_ok, nth(3)), 0);
  auto second = revised(first, 2);
  second.mutable_visit()->mutable_checks(0)->set_retail_price_fen(460);
  second.mutable_visit()->mutable_checks(0)->set_on_shelf(false);
  shop.receives(second);
  EXPECT_EQ(shop.readings(450, nth(3)), 0);
  EXPECT_EQ(shop.readings(460, nth(3)), 1);
  EXPECT_EQ(shop.value("B1", Contribution::shelf_present, nth(3)), 0);
  EXPECT_EQ(shop.value("B1", Contribution::price_tags_checked, nth(3)), 0)
      << "a SKU that is not on the shelf needs no tag";
  shop.receives(cancelled(first, 3));
  EXPECT_EQ(shop.readings(460, nth(3)), 0);
  EXPECT_EQ(shop.value("B1", Contribution::shelf_checks, nth(3)), 0);
  EXPECT_EQ(shop.value("", Contribution::visits_done, nth(3)), 0);
}

TEST_F(Shelf, VisitsThatWereNotDoneAreCountedSeparately) {
  shop.receives(visit("V1", "shop", noon(nth(3)), Visit::REFUSED));
  shop.receives(visit("V2", "shop", noon(nth(3))));
  EXPECT_EQ(shop.value("", Contribution::visits_done, nth(3)), 1);
  EXPECT_EQ(shop.value("", Contribution::visits_not_done, nth(3)), 1);
}

TEST_F(Shelf, AnOrderIsFilledInPartsAndLines) {
  shop.receives(ordered("O", noon(nth(2)), 10, 4));
  for (const auto& [contribution, value] :
       std::vector<std::pair<Contribution, int>>{{Contribution::requested_units, 10},
                                                 {Contribution::confirmed_units, 4},
                                                 {Contribution::filled_units, 4},
                                                 {Contribution::unmet_units, 6},
                                                 {Contribution::order_lines, 1},
                                                 {Contribution::full_lines, 0},
                                                 {Contribution::confirmed_lines, 1}}) {
    EXPECT_EQ(shop.value("B1", contribution, nth(2)), value) << static_cast<int>(contribution);
  }
  const auto requesting = in_window(Contribution::requesting_outlets, 1);
  EXPECT_EQ(shop.value("B1", requesting, nth(8)), 1);
  EXPECT_EQ(shop.value("B1", requesting, nth(9)), 0);
  EXPECT_EQ(shop.value("", in_window(Contribution::ordering_outlets, 1), nth(8)), 1);
}

}  // namespace
}  // namespace fiverate::test
