#include "processors/trade/facts/outlet_facts.h"

#include <gtest/gtest.h>

#include "schemas/format.h"
#include "tests/support/shop.h"

namespace fiverate::test {
namespace {

std::string saved(const OutletFacts& facts, const MarketContext& context) {
  OutletState state;
  save(facts, context, state);
  return state.SerializeAsString();
}

// Derived facts in words: they are not saved but made again.
std::string derived(const OutletFacts& facts) {
  std::string text;
  for (const auto& [day, documents] : facts.active_documents) text += fmt::format("{}x{} ", day.number, documents);
  for (const auto& [number, sku] : facts.skus) {
    for (const auto& fact : sku.facts) {
      text += fmt::format("| {}: {} {}x{} ", static_cast<int>(number), fact.day.number, static_cast<int>(fact.kind), fact.quantity);
    }
    for (const auto& request : sku.requests) text += fmt::format("| {}: {} asked ", static_cast<int>(number), request.day.number);
  }
  return text;
}

Shop busy_shop() {
  Shop shop;
  shop.knows_sku("s1", "B1");
  shop.knows_sku("s2", "B2");
  shop.version(outlet("shop", nth(-10), "north", Outlet::ACTIVE, {{"size", "big"}, {"channel", "a"}}));
  shop.version(outlet("shop", nth(8), "south", Outlet::SUSPENDED));
  shop.version(cancelled(outlet("shop", nth(20), "south"), 2));
  shop.takes(delivery("D1", "shop", noon(nth(1)), {{"s1", 3}, {"s2", 4}}));
  shop.takes(revised(delivery("D1", "shop", noon(nth(2)), {{"s1", 9}}), 4));
  shop.takes(revised(delivery("D1", "shop", noon(nth(2)), {{"s1", 2}}), 3));  // superseded
  shop.takes(returned("R1", "shop", noon(nth(2)), {{"s1", 1}}));
  shop.takes(order("O1", "shop", noon(nth(3)), {{"s2", 2}}));
  shop.takes(cancelled(visit("V1", "shop", noon(nth(4))), 1));
  shop.passes_to(nth(5));
  return shop;
}

TEST(OutletFacts, SavedAndLoadedTheyAreTheSame) {
  const auto shop = busy_shop();
  OutletState state;
  save(shop.facts, shop.context, state);
  // In another process places and brands have other numbers.
  Shop other;
  other.context.places.number_of("elsewhere", {});
  for (const auto* sku_id : {"s1", "s2"}) other.knows_sku(sku_id, sku_id == std::string("s1") ? "B1" : "B2");
  const auto loaded = load(state, other.context);
  EXPECT_EQ(saved(loaded, other.context), state.SerializeAsString());
  EXPECT_EQ(derived(loaded), derived(shop.facts));
  EXPECT_NE(derived(loaded), "");
  EXPECT_TRUE(loaded.known);
}

TEST(OutletFacts, CountingAndUncountingLeavesNothing) {
  auto shop = busy_shop();
  for (const auto& document : shop.facts.documents) uncount_document(shop.facts, *document, shop.context);
  EXPECT_EQ(derived(shop.facts), "");
}

TEST(OutletFacts, WhatIsOldIsForgottenWholly) {
  auto shop = busy_shop();
  forget_before(shop.facts, nth(3), shop.context);
  ASSERT_EQ(shop.facts.documents.size(), 2U) << "the order of day 3 and the cancelled visit of day 4";
  for (const auto& [number, sku] : shop.facts.skus) EXPECT_TRUE(sku.facts.empty()) << "folded";
  EXPECT_EQ(shop.facts.active_documents, (std::map<Day, std::int32_t>{{nth(3), 1}}));
  forget_before(shop.facts, nth(99), shop.context);
  EXPECT_TRUE(shop.facts.documents.empty());
  EXPECT_EQ(shop.facts.versions.size(), 3U) << "versions are kept";
}

// ---- versions -------------------------------------------------------------------------------------------------------

// "north+ from -10, south from 8": + in the population.
std::string assignments(const Shop& shop) {
  std::string text;
  for (const auto& one : shop.facts.assignments) {
    text += fmt::format("{}{}{} ", shop.context.places.region_of(one.place), one.active ? "+" : "",
                        one.from == kNoDay ? "" : fmt::format(" {}", one.from - nth(0)));
  }
  return text.empty() ? "" : text.substr(0, text.size() - 1);
}

TEST(Versions, TheGreatestValidFromUpToTheDayHolds) {
  Shop shop;
  shop.version(outlet("shop", nth(8), "south"));
  EXPECT_EQ(assignments(shop), "south south+ 8");
  shop.version(outlet("shop", nth(3), "north"));  // came later, begins earlier
  EXPECT_EQ(assignments(shop), "north north+ 3 south+ 8");
  shop.version(revised(outlet("shop", nth(3), "west", Outlet::CLOSED), 2));
  EXPECT_EQ(assignments(shop), "west west 3 south+ 8");
  shop.version(cancelled(outlet("shop", nth(3), "west"), 3));
  EXPECT_EQ(assignments(shop), "south south+ 8");
  shop.version(cancelled(outlet("shop", nth(8), "south"), 2));
  EXPECT_EQ(assignments(shop), "");
}

TEST(Versions, FinalDaysStayAsTheyWere) {
  Shop shop;
  shop.version(outlet("shop", nth(0), "north"));
  const auto open = nth(10);
  shop.version(outlet("shop", nth(5), "south"), open);
  EXPECT_EQ(assignments(shop), "north north+ 0 south+ 10") << "in force from the first day that is not final";
  shop.version(outlet("shop", nth(12), "west"), open);
  EXPECT_EQ(assignments(shop), "north north+ 0 south+ 10 west+ 12");
  shop.version(revised(outlet("shop", nth(5), "east"), 2), nth(15));
  EXPECT_EQ(assignments(shop), "north north+ 0 south+ 10 west+ 12 west+ 15");
}

TEST(Versions, WithoutAnyLeftTheOutletCountsNowhereFromTheFirstOpenDay) {
  Shop shop;
  shop.version(outlet("shop", nth(0), "north"));
  shop.version(cancelled(outlet("shop", nth(0), "north"), 2), nth(10));
  EXPECT_EQ(assignments(shop), "north north+ 0  10");
}

TEST(Versions, AFirstVersionThatComesLateHoldsForTheDaysBeforeOutsideThePopulation) {
  Shop shop;
  shop.version(outlet("shop", nth(0), "north"), nth(10));
  EXPECT_EQ(assignments(shop), "north north+ 10");
}

}  // namespace
}  // namespace fiverate::test
