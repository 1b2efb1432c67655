// The contributions of an outlet, by day: tables that can be checked by hand, and a comparison with a direct evaluation
// of the definitions, over random histories of changes.
#include "processors/trade/measures/timeline.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "schemas/format.h"
#include "tests/support/watched_shop.h"

namespace fiverate::test {
namespace {

const std::string kNorth = "north";
const std::string kSouth = "south";
constexpr auto kBuying7 = in_window(Contribution::buying_outlets, 1);
constexpr auto kBuying28 = in_window(Contribution::buying_outlets, 2);
constexpr auto kBuying91 = in_window(Contribution::buying_outlets, 3);
constexpr auto kRepeat7 = in_window(Contribution::repeat_buying_outlets, 1);

// The days of a step, as "3-9 17-23" (inclusive), within the first `until` days.
std::string days_of(const Shop& shop, std::string_view brand, Contribution contribution, std::int32_t until) {
  std::string text;
  std::int32_t begun = -1;
  for (std::int32_t number = 0; number <= until; ++number) {
    const auto value = shop.value(brand, contribution, nth(number));
    EXPECT_TRUE(value == 0 || value == 1) << "day " << number << ": " << value;
    if (value != 0 && begun < 0) begun = number;
    if ((value == 0 || number == until) && begun >= 0) {
      text += fmt::format("{}{}-{}", text.empty() ? "" : " ", begun, value == 0 ? number - 1 : number);
      begun = -1;
    }
  }
  return text;
}

Shop open_shop() {
  Shop shop;
  shop.knows_sku("s1", "B1");
  shop.knows_sku("s2", "B2");
  shop.version(outlet("shop", nth(-100), "north"));
  return shop;
}

void buys(Shop& shop, std::int32_t on, std::int64_t quantity = 5) {
  const auto event = delivery(fmt::format("D{}", on), "shop", noon(nth(on)), {{"s1", quantity}});
  ASSERT_EQ(shop.receives(event).outcome, Outcome::accepted);
}

// ---- windows --------------------------------------------------------------------------------------------------------

TEST(Windows, APurchaseCountsOnItsDayAndTheRestOfTheWindow) {
  auto shop = open_shop();
  buys(shop, 3);
  EXPECT_EQ(days_of(shop, "B1", kBuying7, 200), "3-9");
  EXPECT_EQ(days_of(shop, "B1", kBuying28, 200), "3-30");
  EXPECT_EQ(days_of(shop, "B1", kBuying91, 93), "3-93");
  EXPECT_EQ(days_of(shop, "B2", kBuying91, 200), "");
  EXPECT_EQ(shop.value("B1", Contribution::delivered_units, nth(3)), 5);
}

TEST(Windows, PurchasesOfOneWindowCountOnce) {
  struct Case {
    std::vector<std::int32_t> bought;
    std::string buying_7, repeat_7, buying_28;
  };
  for (const auto& [bought, buying_7, repeat_7, buying_28] :
       std::vector<Case>{{{3, 4}, "3-10", "10-10", "3-31"},
                         {{3, 9}, "3-15", "10-15", "3-36"},   // the last day of the first window
                         {{3, 10}, "3-16", "10-16", "3-37"},  // the day after it
                         {{3, 11}, "3-9 11-17", "11-16", "3-38"},
                         {{3, 16}, "3-9 16-22", "16-16", "3-43"},  // bought in the window before, on its first day only
                         {{3, 17}, "3-9 17-23", "", "3-44"},
                         {{3, 31}, "3-9 31-37", "", "3-58"}}) {
    auto shop = open_shop();
    for (const auto on : bought) buys(shop, on);
    EXPECT_EQ(days_of(shop, "B1", kBuying7, 100), buying_7) << bought.back();
    EXPECT_EQ(days_of(shop, "B1", kRepeat7, 100), repeat_7) << bought.back();
    EXPECT_EQ(days_of(shop, "B1", kBuying28, 100), buying_28) << bought.back();
  }
}

TEST(Windows, ALatePurchaseJoinsTheIntervalsOfItsNeighbours) {
  auto shop = open_shop();
  buys(shop, 3);
  buys(shop, 15);
  EXPECT_EQ(days_of(shop, "B1", kBuying7, 100), "3-9 15-21");
  buys(shop, 9);
  EXPECT_EQ(days_of(shop, "B1", kBuying7, 100), "3-21");
}

TEST(Windows, NothingBoughtIsNoPurchaseAndAReturnUndoesNone) {
  auto shop = open_shop();
  buys(shop, 3, 0);
  EXPECT_EQ(days_of(shop, "B1", kBuying7, 100), "");
  buys(shop, 5, 4);
  shop.receives(returned("R5", "shop", noon(nth(5)), {{"s1", 4}}));
  EXPECT_EQ(days_of(shop, "B1", kBuying7, 100), "5-11");
  EXPECT_EQ(shop.value("B1", Contribution::returned_units, nth(5)), 4);
}

TEST(Windows, ACancellationRemovesAllContributions) {
  auto shop = open_shop();
  const auto first = delivery("D", "shop", noon(nth(3)), {{"s1", 5}, {"s2", 1}});
  shop.receives(first);
  shop.receives(cancelled(first, 2));
  for (const auto* brand : {"B1", "B2"}) EXPECT_EQ(days_of(shop, brand, kBuying91, 200), "");
  EXPECT_EQ(shop.value("B1", Contribution::delivered_units, nth(3)), 0);
  EXPECT_EQ(days_of(shop, "", Contribution::active_outlets, 200), "");
  shop.receives(revised(first, 3));
  EXPECT_EQ(days_of(shop, "B2", kBuying7, 100), "3-9");
}

// ---- active and dormant ---------------------------------------------------------------------------------------------

TEST(Activity, EndsFiftySixDaysAfterTheLastDocumentWhenTheClockReachesThatDay) {
  auto shop = open_shop();
  shop.receives(visit("V", "shop", noon(nth(10))));
  EXPECT_EQ(days_of(shop, "", Contribution::active_outlets, 80), "10-80")
      << "without an end until the clock reaches it";
  EXPECT_EQ(days_of(shop, "", Contribution::dormant_outlets, 80), "0-9");
  ASSERT_EQ(activity_ends(shop.facts), nth(66));
  shop.advance_to(nth(65));
  EXPECT_EQ(days_of(shop, "", Contribution::active_outlets, 80), "10-80");
  shop.advance_to(nth(66));
  EXPECT_EQ(days_of(shop, "", Contribution::active_outlets, 80), "10-65");
  EXPECT_EQ(days_of(shop, "", Contribution::dormant_outlets, 80), "0-9 66-80");
  EXPECT_EQ(activity_ends(shop.facts), std::nullopt) << "the end has been sent";
}

TEST(Activity, AnyDocumentKeepsTheOutletActiveButNotARefusedVisit) {
  auto shop = open_shop();
  shop.receives(order("O", "shop", noon(nth(0))));
  shop.receives(visit("V", "shop", noon(nth(40)), Visit::REFUSED));
  shop.receives(returned("R", "shop", noon(nth(50)), {{"s1", 1}}));
  shop.advance_to(nth(150));
  EXPECT_EQ(days_of(shop, "", Contribution::active_outlets, 150), "0-105");
}

TEST(Activity, BuyersCountOnlyWhileActive) {
  auto shop = open_shop();
  buys(shop, 0);
  shop.advance_to(nth(100));
  EXPECT_EQ(days_of(shop, "B1", kBuying91, 100), "0-55") << "bought at most 91 days ago, but dormant from day 56";
  shop.receives(visit("V", "shop", noon(nth(80))), noon(nth(81)));
  EXPECT_EQ(days_of(shop, "B1", kBuying91, 100), "0-55 80-90");
}

TEST(Activity, NothingIsSentWhileTimePassesWithoutAChange) {
  auto shop = open_shop();
  buys(shop, 0);
  const auto sent = shop.differences();
  for (int today = 1; today < 56; ++today) shop.advance_to(nth(today));
  EXPECT_EQ(shop.differences(), sent);
  shop.advance_to(nth(56));
  EXPECT_GT(shop.differences(), sent);
}

// ---- segments -------------------------------------------------------------------------------------------------------

TEST(Segment, UnitsStayInTheSegmentOfTheirDayWhenTheOutletMoves) {
  auto shop = open_shop();
  buys(shop, 3);
  shop.version(outlet("shop", nth(6), "south"));
  EXPECT_EQ(shop.value("B1", Contribution::delivered_units, nth(3), kNorth), 5);
  for (const auto on : {5, 6}) {
    const auto& [here, there] = on == 5 ? std::pair(kNorth, kSouth) : std::pair(kSouth, kNorth);
    for (const auto contribution : {kBuying7, Contribution::active_outlets}) {
      const auto* brand = contribution == Contribution::active_outlets ? "" : "B1";
      EXPECT_EQ(shop.value(brand, contribution, nth(on), here), 1) << on;
      EXPECT_EQ(shop.value(brand, contribution, nth(on), there), 0) << on;
    }
  }
  EXPECT_EQ(days_of(shop, "B1", kBuying7, 60), "3-9") << "exactly once on each day";
}

TEST(Segment, ClassesMoveWithTheVersion) {
  auto shop = open_shop();
  shop.version(outlet("shop", nth(0), "north", Outlet::ACTIVE, {{"channel", "a"}, {"size", "big"}}));
  shop.version(outlet("shop", nth(10), "north", Outlet::ACTIVE, {{"channel", "b"}}));
  buys(shop, 8);
  const auto buying = [&](std::string dimension, std::string value, std::int32_t on) {
    return shop.value("B1", kBuying7, nth(on), "north", {std::move(dimension), std::move(value)});
  };
  EXPECT_EQ(buying("channel", "a", 9), 1);
  EXPECT_EQ(buying("size", "big", 9), 1);
  EXPECT_EQ(buying("channel", "a", 10), 0);
  EXPECT_EQ(buying("channel", "b", 10), 1);
  EXPECT_EQ(buying("size", "big", 10), 0) << "the version has no value of that dimension";
  EXPECT_EQ(buying("", "", 10), 1);
}

TEST(Segment, OutsideThePopulationOnlyUnitsCount) {
  auto shop = open_shop();
  shop.version(outlet("shop", nth(5), "north", Outlet::CLOSED));
  buys(shop, 7);
  EXPECT_EQ(shop.value("B1", Contribution::delivered_units, nth(7), kNorth), 5);
  EXPECT_EQ(days_of(shop, "B1", kBuying7, 60), "");
  EXPECT_EQ(days_of(shop, "", Contribution::dormant_outlets, 60), "0-4");
  shop.version(outlet("shop", nth(9), "north", Outlet::ACTIVE));
  EXPECT_EQ(days_of(shop, "B1", kBuying7, 60), "9-13");
}

TEST(Segment, BeforeTheFirstVersionUnitsCountInItsRegionOutsideThePopulation) {
  Shop shop;
  shop.knows_sku("s1", "B1");
  shop.version(outlet("shop", nth(5), "south"));
  buys(shop, 2);
  EXPECT_EQ(shop.value("B1", Contribution::delivered_units, nth(2), kSouth), 5);
  EXPECT_EQ(days_of(shop, "B1", kBuying7, 60), "5-8");
}

TEST(Segment, AnOutletWhoseOnlyVersionIsCancelledCountsNowhere) {
  Shop shop;
  shop.knows_sku("s1", "B1");
  shop.version(cancelled(outlet("shop", nth(5), "south"), 2));
  buys(shop, 6);
  EXPECT_EQ(shop.differences(), 0U);
  shop.version(revised(outlet("shop", nth(5), "south"), 3));
  EXPECT_EQ(shop.value("B1", Contribution::delivered_units, nth(6), kSouth), 5) << "with the units delivered before";
}

// ---- comparison with the definitions --------------------------------------------------------------------------------

// The history of one outlet: documents by id, versions by day. Each value is computed from all of them.
struct PlainHistory {
  struct Doc {
    int day = 0;
    bool cancelled = false;
    bool is_return = false;
    bool activity = true;
    std::map<std::string, std::int64_t> units;  // of a brand
  };
  struct Ver {
    bool cancelled = false;
    bool active = true;
    std::string region;
  };
  std::map<std::string, Doc> docs;
  std::map<int, Ver> versions;

  // The region on a day and whether the outlet is in the population; nullopt if it counts nowhere.
  std::optional<std::pair<std::string, bool>> segment_on(int on) const {
    std::optional<std::pair<std::string, bool>> result;
    for (const auto& [from, version] : versions) {
      if (version.cancelled) continue;
      if (!result) result = {version.region, false};
      if (from <= on) result = {version.region, version.active};
    }
    return result;
  }
  bool is_active_on(int on) const {
    return std::any_of(docs.begin(), docs.end(), [&](const auto& entry) {
      const auto& doc = entry.second;
      return !doc.cancelled && doc.activity && doc.day <= on && doc.day >= on - 55;
    });
  }
  std::int64_t units(const std::string& brand, int first, int last, bool is_return) const {
    std::int64_t sum = 0;
    for (const auto& [id, doc] : docs) {
      if (doc.cancelled || doc.is_return != is_return || doc.day < first || doc.day > last) continue;
      if (const auto found = doc.units.find(brand); found != doc.units.end()) sum += found->second;
    }
    return sum;
  }
  std::int64_t value(const std::string& brand, Contribution what, int on, const std::string& region) const {
    const auto segment = segment_on(on);
    if (!segment || segment->first != region) return 0;
    if (what == Contribution::delivered_units) return units(brand, on, on, false);
    if (what == Contribution::returned_units) return units(brand, on, on, true);
    if (!segment->second) return 0;
    if (what == Contribution::active_outlets) return is_active_on(on) ? 1 : 0;
    if (what == Contribution::dormant_outlets) return is_active_on(on) ? 0 : 1;
    for (std::size_t w = 0; w < kWindowCount; ++w) {
      const auto in = [&](DayRange days) { return units(brand, days.first - nth(0), days.last - nth(0), false) > 0; };
      const bool now = in(window_of(kWindows[w], nth(on)));
      const bool before = in(previous_of(kWindows[w], nth(on)));
      if (what == in_window(Contribution::buying_outlets, w)) return is_active_on(on) && now ? 1 : 0;
      if (what == in_window(Contribution::repeat_buying_outlets, w)) return is_active_on(on) && now && before ? 1 : 0;
    }
    return 0;
  }
};

RC_GTEST_PROP(TimelineProperty, AllDifferencesAddUpToTheDefinitions, ()) {
  constexpr int kDays = 150;
  Shop shop;
  shop.limits = {1000 * kDayMs, 1000 * kDayMs, 1000 * kDayMs, 0};  // No document is late.
  PlainHistory plain;
  for (const auto* brand : {"B1", "B2"}) shop.knows_sku(std::string("sku of ") + brand, brand);
  std::map<std::string, std::int64_t> revision;
  int today = 0;
  const auto changes = *rc::gen::inRange(1, 30);
  for (int i = 0; i < changes; ++i) {
    const auto kind = *rc::gen::inRange(0, 10);
    if (kind == 0) {
      const auto from = *rc::gen::inRange(-10, kDays);
      auto& version = plain.versions[from] = {*rc::gen::inRange(0, 4) == 0, *rc::gen::inRange(0, 4) > 0,
                                              *rc::gen::element<std::string>("north", "south")};
      auto event = outlet("shop", nth(from), version.region, version.active ? Outlet::ACTIVE : Outlet::SUSPENDED);
      shop.version(version.cancelled ? cancelled(event, 2) : event);
    } else if (kind <= 3) {
      today = std::min(kDays, today + *rc::gen::inRange(0, 60));
    } else {
      const auto id = fmt::format("D{}", *rc::gen::inRange(0, 8));  // often an id that exists already
      PlainHistory::Doc doc;
      doc.day = *rc::gen::inRange(std::max(0, today - 60), today + 1);
      Lines lines;
      for (const auto* brand : {"B1", "B2"}) {
        if (*rc::gen::arbitrary<bool>()) continue;
        lines.emplace_back(std::string("sku of ") + brand, doc.units[brand] = *rc::gen::inRange<std::int64_t>(0, 4));
      }
      doc.is_return = *rc::gen::inRange(0, 4) == 0;
      doc.cancelled = *rc::gen::inRange(0, 5) == 0;
      auto event = doc.is_return ? returned(id, "shop", noon(nth(doc.day)), lines)
                                 : delivery(id, "shop", noon(nth(doc.day)), lines);
      event = doc.cancelled ? cancelled(event, ++revision[id]) : revised(event, ++revision[id]);
      RC_ASSERT(shop.receives(event, noon(nth(today)) + i + kDayMs / 3).outcome == Outcome::accepted);
      plain.docs[id] = doc;
    }
    shop.advance_to(nth(today));
  }

  std::vector<std::pair<std::string, Contribution>> measures{{"", Contribution::active_outlets},
                                                             {"", Contribution::dormant_outlets}};
  for (const auto* brand : {"B1", "B2"}) {
    measures.emplace_back(brand, Contribution::delivered_units);
    measures.emplace_back(brand, Contribution::returned_units);
    for (std::size_t w = 0; w < kWindowCount; ++w) {
      measures.emplace_back(brand, in_window(Contribution::buying_outlets, w));
      measures.emplace_back(brand, in_window(Contribution::repeat_buying_outlets, w));
    }
  }
  for (int on = -12; on <= today; ++on) {
    for (const auto& [brand, what] : measures) {
      for (const auto* where : {"north", "south"}) {
        const auto expected = plain.value(brand, what, on, where);
        const auto actual = shop.value(brand, what, nth(on), where);
        if (expected != actual) {
          RC_FAIL(fmt::format("{} {} of day {} in {}: expected {}, but the sum of the differences is {}", brand,
                              static_cast<int>(what), on, where, expected, actual));
        }
      }
    }
  }
}

// ---- documents in order -----------------------------------------------------------------------------------------------

// Documents of all kinds for SKUs of two brands, most of them in order: many on one day, some at one instant, some late,
// revised or cancelled, some after the outlet was dormant for weeks.
class RandomDocuments {
 public:
  Event next() {
    constexpr auto kHourMs = 60 * kMinuteMs;
    time_ += *rc::gen::element<Millis>(0, kHourMs, 5 * kHourMs, kDayMs, 6 * kDayMs, 30 * kDayMs, 70 * kDayMs);
    const auto late = *rc::gen::weightedElement<Millis>({{8, 0}, {1, kDayMs}, {1, 20 * kDayMs}});
    const auto number = ++documents_;
    const auto id = *rc::gen::inRange(0, 8) == 0 ? fmt::format("D{}", *rc::gen::inRange(1, number + 1))
                                                 : fmt::format("D{}", number);
    auto event = of_kind(*rc::gen::inRange(0, 4), id, std::max(noon(nth(0)), time_ - late));
    event.set_event_id(fmt::format("{}#{}", id, number));
    event.set_revision(number);
    event.set_cancelled(*rc::gen::inRange(0, 12) == 0);
    return event;
  }
  [[nodiscard]] Millis now() const { return time_; }

 private:
  static Event of_kind(int kind, const std::string& id, Millis time) {
    Lines lines;
    for (const auto* sku : {"s1", "s2", "s3", "s4"}) {
      if (*rc::gen::arbitrary<bool>()) lines.emplace_back(sku, *rc::gen::inRange<std::int64_t>(0, 9));
    }
    if (kind == 0) return delivery(id, "shop", time, lines);
    if (kind == 1) return returned(id, "shop", time, lines);
    if (kind == 2) return counted(id, time, lines);
    auto event = order(id, "shop", time, lines);
    for (auto& line : *event.mutable_order()->mutable_lines()) {
      if (*rc::gen::inRange(0, 3) == 0) line.set_declared_stock(*rc::gen::inRange<std::int64_t>(0, 9));
    }
    return event;
  }

  Millis time_ = noon(nth(0));
  int documents_ = 0;
};

RC_GTEST_PROP(TimelineProperty, ADocumentInOrderGivesTheDifferencesOfWholeTimelines, ()) {
  Shop in_order;
  Shop whole;
  whole.compares_whole_timelines = true;
  for (auto* shop : {&in_order, &whole}) {
    shop->limits = {1000 * kDayMs, 1000 * kDayMs, 1000 * kDayMs, 0};
    for (const auto* sku : {"s1", "s2", "s3"}) shop->knows_sku(sku, "B1");
    shop->knows_sku("s4", "B2");
    shop->version(outlet("shop", nth(-10), "north"));
  }
  RandomDocuments documents;
  const auto changes = *rc::gen::inRange(1, 40);
  for (int i = 0; i < changes; ++i) {
    const auto event = documents.next();
    const bool moves = *rc::gen::inRange(0, 12) == 0;
    const auto version = outlet("shop", shanghai().day_of(documents.now()) + *rc::gen::inRange(-20, 20),
                                *rc::gen::element<std::string>("north", "south"),
                                *rc::gen::element(Outlet::ACTIVE, Outlet::ACTIVE, Outlet::SUSPENDED));
    for (auto* shop : {&in_order, &whole}) {
      shop->advance_to(shanghai().day_of(documents.now()));
      if (moves) shop->version(version);
      shop->receives(event, documents.now());
    }
    RC_ASSERT(in_order.sums() == whole.sums());
  }
}

}  // namespace
}  // namespace fiverate::test
