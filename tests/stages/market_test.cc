// The market stage: when a day is final, when LIVE rows are published, which differences are applied together.
#include "processors/stages/market.h"

#include <random>

#include "processors/stages/outlet.h"
#include "schemas/format.h"
#include "tests/stages/bench.h"
#include "tests/support/columns.h"

namespace fiverate::test {
namespace {

// The window of 7 days of the total.
const MetricsRow::Window& of_7_days(const MetricsRow& row) {
  const auto& windows = row.lines(0).windows();
  return windows[0].window_days() == kMonth ? windows[1] : windows[0];
}
const Day kDay = nth(0);

// A record of one outlet task: its watermark and its differences.
struct TaskDeltas {
  std::vector<SentDifference> differences;
  Deltas deltas;

  explicit TaskDeltas(Millis watermark, bool end_of_batch = true) {
    deltas.set_watermark_ms(watermark);
    deltas.set_closed_day((shanghai().day_of(watermark) - 1).number);
    deltas.set_end_of_batch(end_of_batch);
    deltas.set_last_piece(true);
    deltas.set_first_day(kDay.number);
  }
  TaskDeltas& units(const std::string& region_id, Day day, std::int64_t value, const std::string& brand = "B1") {
    return add({brand, region_id, Contribution::delivered_units, day, value});
  }
  // Pairs of outlet and SKU that are out of stock and in stock from a day on.
  TaskDeltas& skus(const std::string& region_id, Day from, std::int64_t out, std::int64_t in) {
    return add({"B1", region_id, Contribution::stockout_days, from, out})
        .add({"B1", region_id, Contribution::in_stock_days, from, in});
  }
  TaskDeltas& add(SentDifference difference) {
    differences.push_back(std::move(difference));
    *deltas.mutable_columns() = columns_of(differences);
    return *this;
  }
  TaskDeltas& not_last() {
    deltas.set_last_piece(false);
    return *this;
  }
};

class Market : public testing::Test {
 protected:
  explicit Market(bool live_rows = true) : live_rows_(live_rows) {
    region_arrives(region("city", "", Region::CITY), 0);
    region_arrives(region("north", "city", Region::COUNTY), 0);
  }

  std::unique_ptr<MarketStage> make() {
    return std::make_unique<MarketStage>(MarketStage::Settings{definition, 0, 1, live_rows_, 1000}, shanghai());
  }
  void sends(int sender, const TaskDeltas& sent) {
    DeltasRecord record;
    *record.mutable_deltas() = sent.deltas;
    const auto fed = bench.feed(Topic::deltas, record.SerializeAsString(),
                                Cause{fmt::format("outlet/{}", sender), {bench.next_offset(), 0}});
    ASSERT_TRUE(fed.has_value()) << fed.error().what;
  }
  void region_arrives(const Event& event, Millis arrival) {
    DeltasRecord record;
    *record.mutable_reference() = ledger(event, arrival);
    ASSERT_TRUE(bench.feed(Topic::deltas, record.SerializeAsString()).has_value());
  }
  void restarts() {
    stages.push_back(make());
    bench.restart_as(*stages.back());
  }

  // Delivered units of 7 days in the rows published since the last call, by key; "gone" for a row without lines.
  std::map<std::string, std::string> published(Topic topic) {
    std::map<std::string, std::string> rows;
    for (const auto& one : bench.drain()) {
      if (one.topic != topic) continue;
      const auto row = one.as<MetricsRow>();
      EXPECT_EQ(row.status(), topic == Topic::metrics ? MetricsRow::LIVE : MetricsRow::FINAL);
      rows[one.key] = row.lines().empty() ? "gone" : std::to_string(of_7_days(row).measures().delivered_units());
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

// Two outlet tasks send differences of one county, in one of many orders.
class Closes : public Market {
 public:
  Closes() : Market(false) {}
  void TestBody() override {}

  static Millis midnight(std::int32_t days) { return shanghai().start_of(kDay + days); }
  static Millis noon_of(std::int32_t days) { return midnight(days) + kDayMs / 2; }

  // `order` lists the sender of each record; the stage restarts before the record with the number `restart`.
  std::string run(const std::vector<int>& order, std::size_t restart) {
    const std::vector<TaskDeltas> first{TaskDeltas(noon_of(0)).skus("north", kDay - 10, 0, 100),
                                        TaskDeltas(midnight(1)),
                                        TaskDeltas(noon_of(1)).skus("north", kDay - 10, 30, -30),  // a late correction
                                        TaskDeltas(midnight(2)),
                                        TaskDeltas(midnight(3)),
                                        TaskDeltas(noon_of(3)).skus("north", kDay - 10, -30, 30),  // and its revocation
                                        TaskDeltas(midnight(4)),
                                        TaskDeltas(midnight(5)),
                                        TaskDeltas(midnight(6)),
                                        TaskDeltas(midnight(7))};
    std::vector<TaskDeltas> second;
    for (std::int32_t day = 0; day < 7; ++day)
      second.emplace_back(midnight(day + 1) - 1), second.emplace_back(midnight(day + 1));
    std::array<std::size_t, 2> next{};
    for (std::size_t turn = 0; turn < order.size(); ++turn) {
      if (turn == restart) restarts();
      const auto sender = static_cast<std::size_t>(order[turn]);
      sends(order[turn], sender == 0 ? first[next[0]++] : second[next[1]++]);
    }
    std::string text;
    for (const auto& one : bench.drain(Topic::signals)) {
      const auto signal = one.as<SignalRecord>();
      if (!signal.has_transition()) continue;  // the end of a day
      const auto& transition = signal.transition();
      text +=
          fmt::format("{} {} {} {} | ", transition.rule(), transition.region_id(),
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

TEST(DayClose, UsesTheDifferencesThatEachSenderSentBeforeItClosedTheDayItself) {
  // The correction comes on the 2nd and counts at the closes of the 2nd and the 3rd. It is revoked on the 4th, so the closes of the 4th
  // to the 6th are clear.
  const std::string expected =
      "R3 city FIRING 2026-03-04 | R3 north FIRING 2026-03-04 | "
      "R3 city RESOLVED 2026-03-07 | R3 north RESOLVED 2026-03-07 | ";
  auto order = Closes::turns();
  EXPECT_EQ(Closes().run(order, 99), expected) << "the first sender is days ahead";
  std::reverse(order.begin(), order.end());
  EXPECT_EQ(Closes().run(order, 99), expected) << "the second sender is days ahead";
  std::mt19937 random(20260301);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same orders in every run
  for (int i = 0; i < 100; ++i) {
    for (std::size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[random() % left]);
    EXPECT_EQ(Closes().run(order, random() % order.size()), expected) << "order " << i;
  }
}

// ---- final ----------------------------------------------------------------------------------------------------------

TEST_F(Final, IsWrittenWhenEverySenderHasPassedTheDay) {
  sends(0, TaskDeltas(final_at(kDay)).units("north", kDay, 5));
  EXPECT_EQ(finals(), Rows{}) << "the other sender has sent nothing";
  sends(1, TaskDeltas(final_at(kDay) - 1).units("north", kDay, 2));
  EXPECT_EQ(finals(), Rows{}) << "one millisecond is missing";
  restarts();
  sends(1, TaskDeltas(final_at(kDay)));
  EXPECT_EQ(finals(), (Rows{{R"(["B1","","","2026-03-01"])", "7"},
                            {R"(["B1","city","","2026-03-01"])", "7"},
                            {R"(["B1","north","","2026-03-01"])", "7"}}));
  sends(1, TaskDeltas(final_at(kDay) + kMinuteMs));
  EXPECT_EQ(finals(), Rows{}) << "once";
}

TEST_F(Final, HasNoDifferencesOfLaterDaysFromAFasterSender) {
  sends(0, TaskDeltas(final_at(kDay) + 20 * kDayMs).units("north", kDay, 5).units("north", kDay + 1, 100));
  sends(1, TaskDeltas(final_at(kDay)));
  const auto rows = finals();
  EXPECT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows.at(R"(["B1","north","","2026-03-01"])"), "5");
}

TEST_F(Final, DaysOfTheHistoryComeInOrder) {
  sends(0, TaskDeltas(final_at(kDay + 2)).units("north", kDay, 5));
  sends(1, TaskDeltas(final_at(kDay + 2)));
  std::vector<std::string> days;
  for (const auto& one : bench.drain(Topic::metrics_final)) days.push_back(one.as<MetricsRow>().as_of());
  EXPECT_EQ(days, (std::vector<std::string>{"2026-03-01", "2026-03-01", "2026-03-01", "2026-03-02", "2026-03-02",
                                            "2026-03-02", "2026-03-03", "2026-03-03", "2026-03-03"}));
}

TEST_F(Final, HasRevision1AfterARestart) {
  sends(0, TaskDeltas(final_at(kDay) - 1).units("north", kDay, 5));
  restarts();
  sends(0, TaskDeltas(final_at(kDay)));
  sends(1, TaskDeltas(final_at(kDay)));
  for (const auto& one : bench.drain(Topic::metrics_final)) EXPECT_EQ(one.as<MetricsRow>().revision(), 1);
}

// ---- pieces ---------------------------------------------------------------------------------------------------------

TEST_F(Market, PiecesAreAppliedTogetherWithTheLastOne) {
  sends(1, TaskDeltas(noon(kDay)));
  sends(0, TaskDeltas(noon(kDay)).units("north", kDay, 5));
  EXPECT_EQ(live().at(R"(["B1","north",""])"), "5");
  const auto later = noon(kDay) + kMinuteMs;
  sends(0, TaskDeltas(later).units("north", kDay, 1).not_last());
  restarts();
  sends(1, TaskDeltas(later).units("north", kDay, 10));
  sends(1, TaskDeltas(later + kMinuteMs).units("north", kDay, 10));
  sends(0, TaskDeltas(later).units("north", kDay, 2).not_last());
  EXPECT_EQ(live(), Rows{}) << "the clock does not move before the last piece of outlet/0";
  sends(0, TaskDeltas(later + kMinuteMs).units("north", kDay, 4));
  EXPECT_EQ(live().at(R"(["B1","north",""])"), "32");
}

// ---- live -----------------------------------------------------------------------------------------------------------

class Live : public Market {
 protected:
  Live() {
    sends(1, TaskDeltas(noon(kDay) + kDayMs / 4));
    sends(0, TaskDeltas(noon(kDay)).units("north", kDay, 5));
    EXPECT_EQ(live().size(), 3U);
  }
  Millis now = noon(kDay);
  void passes(Millis by) { now += by; }
};

TEST_F(Live, ChangedRowsArePublishedAtMostEveryTwoSeconds) {
  region_arrives(region("island", "", Region::COUNTY), 0);
  passes(kSecondMs);
  sends(0, TaskDeltas(now).units("island", kDay, 3));
  EXPECT_EQ(live(), Rows{}) << "too soon";
  passes(kSecondMs);
  sends(0, TaskDeltas(now, false));
  EXPECT_EQ(live(), Rows{}) << "the batch has not ended";
  sends(0, TaskDeltas(now));
  EXPECT_EQ(live(), (Rows{{R"(["B1","",""])", "8"}, {R"(["B1","island",""])", "3"}}))
      << "north and city have not changed";
  passes(kMinuteMs);
  sends(0, TaskDeltas(now));
  EXPECT_EQ(live(), Rows{}) << "no differences came";
  passes(kMinuteMs);
  sends(0, TaskDeltas(now).units("island", kDay, 1).units("island", kDay, -1));
  EXPECT_EQ(live(), Rows{}) << "the differences add up to nothing";
}

TEST_F(Live, UnchangedRowsAreNotPublishedAfterARestart) {
  restarts();
  passes(kMinuteMs);
  sends(0, TaskDeltas(now).units("north", kDay, 0));
  EXPECT_EQ(live(), Rows{});
}

TEST_F(Live, TheRevisionIsTheOffsetOfTheLastDifferences) {
  passes(kMinuteMs);
  sends(0, TaskDeltas(now).units("north", kDay, 1));
  for (const auto& one : bench.drain(Topic::metrics))
    EXPECT_EQ(one.as<MetricsRow>().revision(), bench.next_offset() - 1);
}

TEST_F(Live, ANewDayPublishesEveryRow) {
  sends(1, TaskDeltas(noon(kDay + 1)));
  sends(0, TaskDeltas(noon(kDay + 1)));
  EXPECT_EQ(live().size(), 3U);
}

TEST_F(Live, ARowThatDoesNotExistAnyMoreIsPublishedOnceWithoutLines) {
  passes(kMinuteMs);
  sends(0, TaskDeltas(now).units("north", kDay, -5));
  EXPECT_EQ(live(),
            (Rows{{R"(["B1","",""])", "gone"}, {R"(["B1","city",""])", "gone"}, {R"(["B1","north",""])", "gone"}}));
  passes(kMinuteMs);
  sends(0, TaskDeltas(now).units("north", kDay, 0));
  EXPECT_EQ(live(), Rows{});
}

// The differences of an outlet may arrive before the copy of its region does.
TEST_F(Live, ARegionThatComesLateIsAddedToTheRegionsAbove) {
  passes(kMinuteMs);
  sends(0, TaskDeltas(now).units("late", kDay, 3));
  auto rows = live();
  EXPECT_EQ(rows.at(R"(["B1","late",""])"), "3");
  EXPECT_FALSE(rows.contains(R"(["B1","city",""])")) << "its parent is not known yet";
  region_arrives(region("late", "city", Region::COUNTY), now);
  passes(kMinuteMs);
  sends(0, TaskDeltas(now).units("late", kDay, 1));
  rows = live();
  EXPECT_EQ(rows.at(R"(["B1","late",""])"), "4");
  EXPECT_EQ(rows.at(R"(["B1","city",""])"), "9");
  restarts();
  passes(kMinuteMs);
  sends(0, TaskDeltas(now).units("late", kDay, 1));
  EXPECT_EQ(live().at(R"(["B1","city",""])"), "10");
}

// ---- counties -------------------------------------------------------------------------------------------------------

std::int64_t counties(const std::vector<Sent>& rows) {
  for (const auto& one : rows) {
    const auto row = one.as<MetricsRow>();
    if (row.region_id() == "city") return of_7_days(row).measures().counties();
  }
  return -1;
}

TEST_F(Final, ACountyCountsIfItCameBeforeTheDayWasFinal) {
  region_arrives(region("in time", "city", Region::COUNTY), final_at(kDay) - 1);
  region_arrives(region("too late", "city", Region::COUNTY), final_at(kDay));
  sends(0, TaskDeltas(final_at(kDay)).units("north", kDay, 5));
  sends(1, TaskDeltas(final_at(kDay)));
  EXPECT_EQ(counties(bench.drain(Topic::metrics_final)), 2);
}

// A county counts from the arrival of its first record on. A later revision does not change that.
TEST_F(Final, ACountyThatIsRenamedStaysOneOverARestart) {
  region_arrives(revised(region("north", "city", Region::COUNTY), 2), final_at(kDay) + 1);
  restarts();
  sends(0, TaskDeltas(final_at(kDay)).units("north", kDay, 5));
  sends(1, TaskDeltas(final_at(kDay)));
  EXPECT_EQ(counties(bench.drain(Topic::metrics_final)), 1);
}

// Whether a cancellation counts for a day depends on its arrival, not on whether market reads it before the day's last differences.
TEST_F(Final, ACancellationThatArrivedAfterTheDayWasFinalDoesNotCountForIt) {
  auto cancelled = revised(region("north", "city", Region::COUNTY), 2);  // completed by intake
  cancelled.set_cancelled(true);
  region_arrives(cancelled, final_at(kDay) + 1);
  sends(0, TaskDeltas(final_at(kDay)).units("north", kDay, 5));
  sends(1, TaskDeltas(final_at(kDay)));
  EXPECT_EQ(counties(bench.drain(Topic::metrics_final)), 1);
}

// ---- rejected records ------------------------------------------------------------------------------------------------

TEST_F(Market, StopsAtAnotherDefinitionAnUnknownSenderAndAnUnreadableRecord) {
  EXPECT_TRUE(bench.feed(Topic::deltas, definition_record(Topic::deltas, definition)).has_value());
  const auto other = make_definition("Asia/Tokyo", {1, 2, 1});
  EXPECT_EQ(bench.feed(Topic::deltas, definition_record(Topic::deltas, other)).error().reaction, Reaction::stop);
  DeltasRecord record;
  *record.mutable_deltas() = TaskDeltas(1).deltas;
  EXPECT_EQ(bench.feed(Topic::deltas, record.SerializeAsString(), Cause{"outlet/2", {0, 0}}).error().reaction,
            Reaction::stop);
  EXPECT_EQ(bench.feed(Topic::deltas, "\xff\xff").error().reaction, Reaction::stop);
}

}  // namespace
}  // namespace fiverate::test
