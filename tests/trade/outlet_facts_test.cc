#include "processors/trade/facts/outlet_facts.h"

#include <gtest/gtest.h>

#include "schemas/format.h"
#include "tests/support/shop.h"

namespace fiverate::test {
namespace {

TEST(OutletFacts, CountingAndUncountingLeavesNothing) {
  auto shop = busy_shop();
  for (const auto& document : shop.facts.documents) uncount_document(shop.facts, *document, shop.context);
  EXPECT_EQ(derived_facts(shop.facts), "");
}

TEST(OutletFacts, OldDocumentsAreDropped) {
  auto shop = busy_shop();
  forget_before(shop.facts, nth(3), shop.context);
  ASSERT_EQ(shop.facts.documents.size(), 2U) << "the order of day 3 and the cancelled visit of day 4";
  for (const auto& [number, sku] : shop.facts.skus) EXPECT_TRUE(sku.facts().empty()) << "folded";
  EXPECT_EQ(shop.facts.active_documents, (std::map<Day, std::int32_t>{{nth(3), 1}}));
  forget_before(shop.facts, nth(99), shop.context);
  EXPECT_TRUE(shop.facts.documents.empty());
  EXPECT_EQ(shop.facts.versions.size(), 3U) << "versions are kept";
}

// ---- versions -------------------------------------------------------------------------------------------------------

// "north north+ 3 south 8": segments with the day from which on they hold; + if the outlet is in the population.
std::string assignments(const Shop& shop) {
  std::string text;
  for (const auto& one : shop.facts.assignments) {
    text += fmt::format("{}{}{} ", shop.context.segments.segment(one.segment).region_id, one.in_population ? "+" : "",
                        one.from == kNoDay ? "" : fmt::format(" {}", one.from - nth(0)));
  }
  return text.empty() ? "" : text.substr(0, text.size() - 1);
}

TEST(Versions, TheVersionWithTheLatestValidFromUpToTheDayApplies) {
  Shop shop;
  shop.version(outlet("shop", nth(8), "south"));
  EXPECT_EQ(assignments(shop), "south south+ 8");
  shop.version(outlet("shop", nth(3), "north"));  // arrives later, begins earlier
  EXPECT_EQ(assignments(shop), "north north+ 3 south+ 8");
  shop.version(revised(outlet("shop", nth(3), "west", Outlet::CLOSED), 2));
  EXPECT_EQ(assignments(shop), "west west 3 south+ 8");
  shop.version(cancelled(outlet("shop", nth(3), "west"), 3));
  EXPECT_EQ(assignments(shop), "south south+ 8");
  shop.version(cancelled(outlet("shop", nth(8), "south"), 2));
  EXPECT_EQ(assignments(shop), "");
}

TEST(Versions, FinalDaysKeepTheirAssignments) {
  Shop shop;
  shop.version(outlet("shop", nth(0), "north"));
  const auto open = nth(10);
  shop.version(outlet("shop", nth(5), "south"), open);
  EXPECT_EQ(assignments(shop), "north north+ 0 south+ 10") << "it applies from the first open day on";
  shop.version(outlet("shop", nth(12), "west"), open);
  EXPECT_EQ(assignments(shop), "north north+ 0 south+ 10 west+ 12");
  shop.version(revised(outlet("shop", nth(5), "east"), 2), nth(15));
  EXPECT_EQ(assignments(shop), "north north+ 0 south+ 10 west+ 12 west+ 15");
}

TEST(Versions, WithoutAVersionTheOutletCountsNowhereFromTheFirstOpenDay) {
  Shop shop;
  shop.version(outlet("shop", nth(0), "north"));
  shop.version(cancelled(outlet("shop", nth(0), "north"), 2), nth(10));
  EXPECT_EQ(assignments(shop), "north north+ 0  10");
}

TEST(Versions, ALateFirstVersionPutsEarlierDaysInItsSegmentOutsideThePopulation) {
  Shop shop;
  shop.version(outlet("shop", nth(0), "north"), nth(10));
  EXPECT_EQ(assignments(shop), "north north+ 10");
}

}  // namespace
}  // namespace fiverate::test
