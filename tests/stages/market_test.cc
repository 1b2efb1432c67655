// The stage that knows the market: when a day is final, when live rows are published, what is applied together.
#include "processors/stages/market.h"

#include <random>

#include "processors/stages/outlet.h"
#include "schemas/format.h"
#include "tests/stages/bench.h"

namespace fiverate::test {
namespace {

constexpr std::size_t kDelivered = 2;  // BrandMeasure::delivered_units

// The first window of the first line but the month.
const MetricsRow::Window& of_last_days(const MetricsRow& row) {
  const auto& windows = row.lines(0).windows();
  return windows[0].window_days() == kMonth ? windows[1] : windows[0];
}
const Day kDay = nth(0);

// Deltas of one outlet task, built word by word.
struct Told {
  Deltas deltas;

  explicit Told(Millis watermark, bool settled = true) {
    deltas.set_watermark_ms(watermark);
    deltas.set_closed_day((shanghai().day_of(watermark) - 1).number);
    deltas.set_settled(settled);
    deltas.set_last_piece(true);
    deltas.set_first_day(kDay.number);
  }
  Told& units(const std::string& region_id, Day day, std::int64_t value, const std::string& brand = "B1") {
    auto& cell = *deltas.add_cells();
    cell.set_brand_id(brand);
    cell.set_region_id(region_id);
    cell.add_measures(static_cast<int>(Contribution::delivered_units));
    cell.add_days(day.number);
    cell.add_values(value);
    return *this;
  }
  // Outlet-SKUs out of stock and in stock from a day on.
  Told& skus(const std::string& region_id, Day from, std::int64_t out, std::int64_t in) {
    auto& cell = *deltas.add_cells();
    cell.set_brand_id("B1");
    cell.set_region_id(region_id);
    for (const auto& [contribution, value] :
         {std::pair(Contribution::stockout_days, out), std::pair(Contribution::in_stock_days, in)}) {
      cell.add_measures(static_cast<int>(contribution));
      cell.add_days(from.number);
      cell.add_values(value);
    }
    return *this;
  }
  Told& not_last() {
    deltas.set_last_piece(false);
    return *this;
  }
};

class Market : public testing::Test {
 protected:
  explicit Market(bool live_rows = true) : live_rows_(live_rows) {
    tells_region(region("city", "", Region::CITY), 0);
    tells_region(region("north", "city", Region::COUNTY), 0);
  }

  std::unique_ptr<MarketStage> make() {
    return std::make_unique<MarketStage>(MarketStage::Settings{definition, 0, 1, live_rows_, 1000}, shanghai());
  }
  void tells(int sender, const Told& told) {
    DeltasRecord record;
    *record.mutable_deltas() = told.deltas;
    const auto fed = bench.feed(Topic::deltas, record.SerializeAsString(),
                                Cause{fmt::format("outlet/{}", sender), {bench.next_offset(), 0}});
    ASSERT_TRUE(fed.has_value()) << fed.error().what;
  }
  void tells_region(const Event& event, Millis arrival) {
    DeltasRecord record;
    *record.mutable_reference() = ledger(event, arrival);
    ASSERT_TRUE(bench.feed(Topic::deltas, record.SerializeAsString()).has_value());
  }
  void restarts() {
    stages.push_back(make());
    bench.restart_as(*stages.back());
  }

  // Rows published since the last question, by key; units of window 7, or "gone" without lines.
  std::map<std::string, std::string> published(Topic topic) {
    std::map<std::string, std::string> rows;
    for (const auto& one : bench.drain()) {
      if (one.topic != topic) continue;
      const auto row = one.as<MetricsRow>();
      EXPECT_EQ(row.status(), topic == Topic::metrics ? MetricsRow::LIVE : MetricsRow::FINAL);
      rows[one.key] = row.lines().empty() ? "gone" : std::to_string(of_last_days(row).values(kDelivered));
    }
    return rows;
  }
  std::map<std::string, std::string> finals() { return published(Topic::metrics_final); }
  std::map<std::string, std::string> live() { return published(Topic::metrics); }

  static Millis final_at(Day day) { return shanghai().end_of(day) + kFinalAfter; }

  const Definition definition = make_definition("Asia/Shanghai", {1, 2, 1});
  bool live_rows_;
  std::vector<std::unique_ptr<MarketStage>> stages = [this] {
    std::vector<std::unique_ptr<MarketStage>> first;
    first.push_back(make());
    return first;
  }();
  Bench bench{*stages.front()};
};

class Final : public Market {
 protected:
  Final() : Market(false) {}
};

using Rows = std::map<std::string, std::string>;

// Two outlet tasks tell what they know of a county, in one order of many.
class Closes : public Market {
 public:
  Closes() : Market(false) {}
  void TestBody() override {}

  static Millis midnight(std::int32_t days) { return shanghai().start_of(kDay + days); }
  static Millis noon_of(std::int32_t days) { return midnight(days) + kDayMs / 2; }

  // `order`: whose turn it is; `restart`: before that turn.
  std::string run(const std::vector<int>& order, std::size_t restart) {
    const std::vector<Told> first{Told(noon_of(0)).skus("north", kDay - 10, 0, 100),
                                  Told(midnight(1)),
                                  Told(noon_of(1)).skus("north", kDay - 10, 30, -30),  // a late correction
                                  Told(midnight(2)),
                                  Told(midnight(3)),
                                  Told(noon_of(3)).skus("north", kDay - 10, -30, 30),  // taken back
                                  Told(midnight(4)),
                                  Told(midnight(5)),
                                  Told(midnight(6)),
                                  Told(midnight(7))};
    std::vector<Told> second;
    for (std::int32_t day = 0; day < 7; ++day) second.emplace_back(midnight(day + 1) - 1), second.emplace_back(midnight(day + 1));
    std::array<std::size_t, 2> next{};
    for (std::size_t turn = 0; turn < order.size(); ++turn) {
      if (turn == restart) restarts();
      const auto sender = static_cast<std::size_t>(order[turn]);
      tells(order[turn], sender == 0 ? first[next[0]++] : second[next[1]++]);
    }
    std::string text;
    for (const auto& one : bench.drain(Topic::signals)) {
      const auto transition = one.as<SignalRecord>().transition();
      text += fmt::format("{} {} {} {} | ", transition.rule(), transition.region_id(),
                          Transition::State_Name(transition.state()), shanghai().format(transition.at_ms()).substr(0, 10));
    }
    return text;
  }
  static std::vector<int> turns() {
    std::vector<int> order(10, 0);
    order.resize(24, 1);
    return order;
  }
};

// ---- the close of a day ---------------------------------------------------------------------------------------------

TEST(Close, SeesWhatEachSenderHadToldBeforeItClosedTheDayItself) {
  // Told on the 2nd, seen at the closes of the 2nd and the 3rd; taken back on the 4th, clear at those of the 4th to the 6th.
  const std::string expected =
      "R3 city FIRING 2026-03-04 | R3 north FIRING 2026-03-04 | "
      "R3 city RESOLVED 2026-03-07 | R3 north RESOLVED 2026-03-07 | ";
  auto order = Closes::turns();
  EXPECT_EQ(Closes().run(order, 99), expected) << "the first is days ahead";
  std::reverse(order.begin(), order.end());
  EXPECT_EQ(Closes().run(order, 99), expected) << "the second is";
  std::mt19937 random(20260301);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same orders in every run
  for (int i = 0; i < 100; ++i) {
    for (std::size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[random() % left]);
    EXPECT_EQ(Closes().run(order, random() % order.size()), expected) << "order " << i;
  }
}

// ---- final ----------------------------------------------------------------------------------------------------------

TEST_F(Final, OnlyWhenEverySenderHasPassed) {
  tells(0, Told(final_at(kDay)).units("north", kDay, 5));
  EXPECT_EQ(finals(), Rows{}) << "the other one was not heard of";
  tells(1, Told(final_at(kDay) - 1).units("north", kDay, 2));
  EXPECT_EQ(finals(), Rows{}) << "one millisecond is missing";
  restarts();
  tells(1, Told(final_at(kDay)));
  EXPECT_EQ(finals(), (Rows{{R"(["B1","","","2026-03-01"])", "7"},
                            {R"(["B1","city","","2026-03-01"])", "7"},
                            {R"(["B1","north","","2026-03-01"])", "7"}}));
  tells(1, Told(final_at(kDay) + kMinuteMs));
  EXPECT_EQ(finals(), Rows{}) << "once";
}

TEST_F(Final, WhatAFasterSenderTellsOfLaterDaysIsNotInIt) {
  tells(0, Told(final_at(kDay) + 20 * kDayMs).units("north", kDay, 5).units("north", kDay + 1, 100));
  tells(1, Told(final_at(kDay)));
  const auto rows = finals();
  EXPECT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows.at(R"(["B1","north","","2026-03-01"])"), "5");
}

TEST_F(Final, SeveralDaysComeInOrderAndOnlyThoseOfTheHistory) {
  tells(0, Told(final_at(kDay + 2)).units("north", kDay, 5));
  tells(1, Told(final_at(kDay + 2)));
  std::vector<std::int32_t> days;
  for (const auto& one : bench.drain(Topic::metrics_final))
    days.push_back(one.as<MetricsRow>().as_of_day() - kDay.number);
  EXPECT_EQ(days, (std::vector<std::int32_t>{0, 0, 0, 1, 1, 1, 2, 2, 2}));
}

TEST_F(Final, HaveOneRevisionAndSayTheSameAfterARestart) {
  tells(0, Told(final_at(kDay) - 1).units("north", kDay, 5));
  restarts();
  tells(0, Told(final_at(kDay)));
  tells(1, Told(final_at(kDay)));
  for (const auto& one : bench.drain(Topic::metrics_final)) EXPECT_EQ(one.as<MetricsRow>().revision(), 1);
}

// ---- pieces ---------------------------------------------------------------------------------------------------------

TEST_F(Market, PiecesAreAppliedTogetherWithTheLast) {
  tells(1, Told(noon(kDay)));
  tells(0, Told(noon(kDay)).units("north", kDay, 5));
  EXPECT_EQ(live().at(R"(["B1","north",""])"), "5");
  const auto later = noon(kDay) + kMinuteMs;
  tells(0, Told(later).units("north", kDay, 1).not_last());
  restarts();
  tells(1, Told(later).units("north", kDay, 10));
  tells(1, Told(later + kMinuteMs).units("north", kDay, 10));
  tells(0, Told(later).units("north", kDay, 2).not_last());
  EXPECT_EQ(live(), Rows{}) << "the clock stands: outlet/0 has not finished";
  tells(0, Told(later + kMinuteMs).units("north", kDay, 4));
  EXPECT_EQ(live().at(R"(["B1","north",""])"), "32");
}

// ---- live -----------------------------------------------------------------------------------------------------------

class Live : public Market {
 protected:
  Live() {
    tells(1, Told(noon(kDay) + kDayMs / 4));
    tells(0, Told(noon(kDay)).units("north", kDay, 5));
    EXPECT_EQ(live().size(), 3U);
  }
  Millis now = noon(kDay);
  void passes(Millis by) { now += by; }
};

TEST_F(Live, OnlyWhatChangedIsPublishedAndAtMostEveryTenSeconds) {
  tells_region(region("island", "", Region::COUNTY), 0);
  passes(5 * kSecondMs);
  tells(0, Told(now).units("island", kDay, 3));
  EXPECT_EQ(live(), Rows{}) << "too soon";
  passes(5 * kSecondMs);
  tells(0, Told(now, false));
  EXPECT_EQ(live(), Rows{}) << "more cuts of the same progress follow";
  tells(0, Told(now));
  EXPECT_EQ(live(), (Rows{{R"(["B1","",""])", "8"}, {R"(["B1","island",""])", "3"}}))
      << "north and city are as they were";
  passes(kMinuteMs);
  tells(0, Told(now));
  EXPECT_EQ(live(), Rows{}) << "nothing was told";
  passes(kMinuteMs);
  tells(0, Told(now).units("island", kDay, 1).units("island", kDay, -1));
  EXPECT_EQ(live(), Rows{}) << "told, but nothing changed";
}

TEST_F(Live, StaysQuietAfterARestartToo) {
  restarts();
  passes(kMinuteMs);
  tells(0, Told(now).units("north", kDay, 0));
  EXPECT_EQ(live(), Rows{});
}

TEST_F(Live, ARevisionIsTheOffsetThatItReflects) {
  passes(kMinuteMs);
  tells(0, Told(now).units("north", kDay, 1));
  for (const auto& one : bench.drain(Topic::metrics))
    EXPECT_EQ(one.as<MetricsRow>().revision(), bench.next_offset() - 1);
}

TEST_F(Live, ANewDayMovesEveryRow) {
  tells(1, Told(noon(kDay + 1)));
  tells(0, Told(noon(kDay + 1)));
  EXPECT_EQ(live().size(), 3U);
}

TEST_F(Live, WhatVanishedIsPublishedOnceWithoutLines) {
  passes(kMinuteMs);
  tells(0, Told(now).units("north", kDay, -5));
  EXPECT_EQ(live(),
            (Rows{{R"(["B1","",""])", "gone"}, {R"(["B1","city",""])", "gone"}, {R"(["B1","north",""])", "gone"}}));
  passes(kMinuteMs);
  tells(0, Told(now).units("north", kDay, 0));
  EXPECT_EQ(live(), Rows{});
}

// Deltas may overtake the copy of their region, also where the outlet is not in the population.
TEST_F(Live, ARegionThatComesLateMovesIntoPlace) {
  passes(kMinuteMs);
  tells(0, Told(now).units("late", kDay, 3));
  auto rows = live();
  EXPECT_EQ(rows.at(R"(["B1","late",""])"), "3");
  EXPECT_FALSE(rows.contains(R"(["B1","city",""])")) << "nobody knows yet where it lies";
  tells_region(region("late", "city", Region::COUNTY), now);
  passes(kMinuteMs);
  tells(0, Told(now).units("late", kDay, 1));
  rows = live();
  EXPECT_EQ(rows.at(R"(["B1","late",""])"), "4");
  EXPECT_EQ(rows.at(R"(["B1","city",""])"), "9");
  restarts();
  passes(kMinuteMs);
  tells(0, Told(now).units("late", kDay, 1));
  EXPECT_EQ(live().at(R"(["B1","city",""])"), "10");
}

// ---- counties -------------------------------------------------------------------------------------------------------

std::int64_t counties(const std::vector<Sent>& rows) {
  for (const auto& one : rows) {
    const auto row = one.as<MetricsRow>();
    if (row.region_id() == "city") return of_last_days(row).values(static_cast<int>(BrandMeasure::counties));
  }
  return -1;
}

TEST_F(Final, ACountyCountsIfItCameBeforeTheDayWasFinal) {
  tells_region(region("in time", "city", Region::COUNTY), final_at(kDay) - 1);
  tells_region(region("too late", "city", Region::COUNTY), final_at(kDay));
  tells(0, Told(final_at(kDay)).units("north", kDay, 5));
  tells(1, Told(final_at(kDay)));
  EXPECT_EQ(counties(bench.drain(Topic::metrics_final)), 2);
}

// A county counts from the arrival of its first record on, whatever is said of it later.
TEST_F(Final, ACountyThatIsRenamedStaysOneOverARestart) {
  tells_region(revised(region("north", "city", Region::COUNTY), 2), final_at(kDay) + 1);
  restarts();
  tells(0, Told(final_at(kDay)).units("north", kDay, 5));
  tells(1, Told(final_at(kDay)));
  EXPECT_EQ(counties(bench.drain(Topic::metrics_final)), 1);
}

// Whether a cancellation is in force for a day must not depend on whether it overtook the deltas that made it final.
TEST_F(Final, ACancellationThatArrivedAfterTheDayWasFinalIsNotInForceForIt) {
  auto gone = revised(region("north", "city", Region::COUNTY), 2);  // completed by intake
  gone.set_cancelled(true);
  tells_region(gone, final_at(kDay) + 1);
  tells(0, Told(final_at(kDay)).units("north", kDay, 5));
  tells(1, Told(final_at(kDay)));
  EXPECT_EQ(counties(bench.drain(Topic::metrics_final)), 1);
}

// ---- what it refuses ------------------------------------------------------------------------------------------------

TEST_F(Market, StopsAtAnotherDefinitionAnUnknownSenderAndWhatIsNoRecord) {
  EXPECT_TRUE(bench.feed(Topic::deltas, definition_record(Topic::deltas, definition)).has_value());
  const auto other = make_definition("Asia/Tokyo", {1, 2, 1});
  EXPECT_EQ(bench.feed(Topic::deltas, definition_record(Topic::deltas, other)).error().reaction, Reaction::stop);
  DeltasRecord record;
  *record.mutable_deltas() = Told(1).deltas;
  EXPECT_EQ(bench.feed(Topic::deltas, record.SerializeAsString(), Cause{"outlet/2", {0, 0}}).error().reaction,
            Reaction::stop);
  EXPECT_EQ(bench.feed(Topic::deltas, "\xff\xff").error().reaction, Reaction::stop);
}

}  // namespace
}  // namespace fiverate::test
