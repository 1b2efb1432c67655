// Seals: when they are written, that they depend on the input alone, and that every change of input or output changes
// them.
#include "processors/stages/seal.h"

#include <random>
#include <set>

#include "processors/stages/alert_manager.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "schemas/format.h"
#include "tests/stages/bench.h"
#include "tests/support/columns.h"
#include "tests/support/random_history.h"
#include "tests/support/rig.h"

namespace fiverate::test {
namespace {

using Lines = std::vector<std::string>;

Millis midnight(std::int32_t days) {
  return shanghai().start_of(nth(days));
}

std::vector<Seal> seals_of(Bench& bench) {
  std::vector<Seal> seals;
  for (const auto& one : bench.drain(Topic::seals)) {
    seals.push_back(one.as<Seal>());
    EXPECT_EQ(one.key, seal_key(seals.back()));
    EXPECT_EQ(one.partition, seals.back().partition());
    EXPECT_FALSE(one.to_task);
  }
  return seals;
}

std::string sum_of(const Seal& seal) {
  return fmt::format("{:016x}{:016x}", seal.sum_high(), seal.sum_low());
}

Lines in_bytes(const std::vector<Seal>& seals) {
  Lines lines;
  for (const auto& seal : seals) lines.push_back(seal.SerializeAsString());
  return lines;
}

// ---- the sum --------------------------------------------------------------------------------------------------------

DeltaColumns cell(const std::string& brand, Contribution contribution, Day day, std::int64_t value) {
  return columns_of({{brand, "north", contribution, day, value}});
}

DeltaColumns priced(std::int64_t price, Day day, std::int64_t count) {
  DeltaColumnsBuilder builder;
  builder.begin_cell("B1", kWholeMarket, {});
  builder.add_price("s1", price, day, count);
  return builder.release();
}

std::string sum_over(const std::vector<DeltaColumns>& pieces) {
  Seal seal;
  for (const auto& one : pieces) sum_deltas(one, true, seal);
  return sum_of(seal);
}

constexpr auto kUnits = Contribution::delivered_units;

TEST(SealSum, DoesNotDependOnOrderOrFlushes) {
  const auto a = cell("B1", kUnits, nth(0), 7);
  const auto b = cell("B2", kUnits, nth(1), -3);
  EXPECT_EQ(sum_over({a, b}), sum_over({b, a}));
  EXPECT_EQ(sum_over({a}), sum_over({cell("B1", kUnits, nth(0), 10), cell("B1", kUnits, nth(0), -3)}));
  EXPECT_EQ(sum_over({a, cell("B1", kUnits, nth(0), -7)}), sum_over({}));
  EXPECT_EQ(sum_over({priced(10, nth(0), 2)}), sum_over({priced(10, nth(0), 1), priced(10, nth(0), 1)}));
  const auto both = columns_of({{"B1", "north", kUnits, nth(0), 7}, {"B1", "north", kUnits, nth(5), 1}});
  EXPECT_EQ(sum_over({both}), sum_over({a, cell("B1", kUnits, nth(5), 1)}));
}

TEST(SealSum, DistinguishesAllDifferencesThatMarketDistinguishes) {
  const std::vector<DeltaColumns> all{cell("B1", kUnits, nth(0), 1),
                                      cell("B1", kUnits, nth(0), 2),
                                      cell("B1", kUnits, nth(0), -1),
                                      cell("B1", kUnits, nth(1), 1),
                                      cell("B1", Contribution::returned_units, nth(0), 1),
                                      cell("B2", kUnits, nth(0), 1),
                                      cell("", kUnits, nth(0), 1),
                                      priced(10, nth(0), 1),
                                      priced(11, nth(0), 1),
                                      priced(10, nth(1), 1),
                                      priced(10, nth(0), 2)};
  std::set<std::string> sums{sum_over({})};
  for (const auto& one : all) sums.insert(sum_over({one}));
  EXPECT_EQ(sums.size(), all.size() + 1);
}

TEST(SealSum, ChangesWhenAUnitMovesBetweenCellsOrDays) {
  const auto at = [](const std::string& brand, std::int32_t day, std::int64_t value) {
    return cell(brand, kUnits, nth(day), value);
  };
  EXPECT_NE(sum_over({at("B1", 0, 1), at("B2", 1, 1)}), sum_over({at("B1", 1, 1), at("B2", 0, 1)}));
}

// ---- the chain ------------------------------------------------------------------------------------------------------

TEST(SealChain, ADroppedDoubledSwappedOrChangedRecordChangesEveryLaterSeal) {
  using Records = std::vector<std::pair<std::string, std::string>>;
  const auto chain = [](const Records& records) {
    Seal seal;
    for (const auto& [key, value] : records) chain_record(key, value, seal);
    return seal.chain();
  };
  const Records right{{"a", "1"}, {"b", "2"}, {"c", "3"}};
  std::set<std::uint64_t> chains;
  for (const auto& records :
       {right, Records{{"a", "1"}, {"c", "3"}}, Records{{"a", "1"}, {"b", "2"}, {"b", "2"}, {"c", "3"}},
        Records{{"b", "2"}, {"a", "1"}, {"c", "3"}}, Records{{"a", "1"}, {"b", "x"}, {"c", "3"}},
        Records{{"a", "1"}, {"x", "2"}, {"c", "3"}}, Records{{"a", "1b"}, {"", "2"}, {"c", "3"}}}) {
    chains.insert(chain(records));
  }
  EXPECT_EQ(chains.size(), 7U);
}

// ---- outlet ---------------------------------------------------------------------------------------------------------

class OutletSeals : public testing::Test {
 protected:
  void feed(const LedgerRecord& record, std::optional<Cause> cause = std::nullopt) {
    ASSERT_TRUE(bench.feed(Topic::ledger, record.SerializeAsString(), std::move(cause)).has_value());
  }
  void feed(const Event& event, Millis arrival) {
    feed(ledger(event, arrival), Cause{"deliveries/0", {bench.next_offset(), 0}});
  }
  void advance(Millis clock) { feed(progress_to(clock, definition)); }
  void restart() {
    stages.push_back(make());
    bench.restart_as(*stages.back());
  }
  std::unique_ptr<OutletStage> make() const {
    return std::make_unique<OutletStage>(OutletStage::Settings{definition, 2, 1000}, shanghai());
  }
  // The seals since the last call, as "day records next_offset".
  Lines seal_lines() {
    Lines lines;
    for (const auto& seal : seals_of(bench)) {
      lines.push_back(fmt::format("{} {} {}", seal.day() - nth(0).number, seal.records(), seal.next_offset()));
    }
    return lines;
  }

  const Definition definition = make_definition("Asia/Shanghai", {1, 1, 2});
  std::vector<std::unique_ptr<OutletStage>> stages = [this] {
    std::vector<std::unique_ptr<OutletStage>> first;
    first.push_back(make());
    return first;
  }();
  Bench bench{*stages.front()};
};

TEST_F(OutletSeals, OneForEachMidnightThatTheWatermarkPasses) {
  feed(sku("s1", "B1"), kStart);
  feed(outlet("shop", nth(-10), "north"), kStart);
  EXPECT_EQ(seal_lines(), Lines{}) << "no progress record yet";
  advance(kStart);
  EXPECT_EQ(seal_lines(), Lines{"-1 3 3"}) << "the first watermark closes all earlier days at once";
  advance(kStart + kMinuteMs);
  EXPECT_EQ(seal_lines(), Lines{});
  advance(midnight(1) - 1);
  EXPECT_EQ(seal_lines(), Lines{});
  restart();
  feed(delivery("D", "shop", kStart, {{"s1", 5}}), kStart);
  advance(midnight(1));
  EXPECT_EQ(seal_lines(), Lines{"0 7 7"});
  advance(midnight(4) + 1);
  EXPECT_EQ(seal_lines(), (Lines{"1 8 8", "2 8 8", "3 8 8"})) << "one progress record passes three midnights";
  advance(midnight(2));
  EXPECT_EQ(seal_lines(), Lines{}) << "a lower progress record is in the chain and closes no day";
  advance(midnight(5));
  EXPECT_EQ(seal_lines(), Lines{"4 10 10"});
}

TEST_F(OutletSeals, TheSumCoversAllDifferencesSent) {
  feed(sku("s1", "B1"), kStart);
  feed(outlet("shop", nth(-10), "north", Outlet::ACTIVE, {{"channel", "kiosk"}}), kStart);
  feed(delivery("D", "shop", kStart, {{"s1", 5}}), kStart);
  advance(midnight(1));
  advance(midnight(40));  // the shop becomes dormant on the way
  Seal expected;
  std::string last;
  std::size_t flushes = 0;
  for (const auto& one : bench.drain()) {
    if (one.topic == Topic::seals) last = sum_of(one.as<Seal>());
    if (one.topic != Topic::deltas) continue;
    flushes += one.partition == 0 ? 1 : 0;
    const auto record = one.as<DeltasRecord>();
    sum_deltas(record.deltas().columns(), one.partition == 0, expected);
  }
  EXPECT_GT(flushes, 30U);
  EXPECT_EQ(last, sum_of(expected));
  EXPECT_NE(last, sum_of(Seal()));
}

// ---- market ---------------------------------------------------------------------------------------------------------

// The flushes of three outlet tasks. The order within a task is fixed; the interleaving of the tasks is random.
class SealSenders {
 public:
  SealSenders(const MarketCalendar& calendar, std::uint32_t seed) : calendar_(calendar), random_(seed) {
    for (int sender = 0; sender < 3; ++sender) flushes_.push_back(make_flushes());
  }

  // Feeds all flushes to one market task and returns its seals. It restarts before a record with a chance of
  // `restart_percent`.
  std::vector<Seal> run(std::uint32_t seed, int restart_percent, std::size_t leave_out = 999'999) {
    std::mt19937 random(seed);
    std::vector<std::unique_ptr<MarketStage>> stages;
    const auto make = [&]() -> MarketStage& {
      stages.push_back(std::make_unique<MarketStage>(MarketStage::Settings{definition_, 2, 3, false, 1000}, calendar_));
      return *stages.back();
    };
    Bench bench(make());
    for (const auto& event : {region("city", "", Region::CITY), region("north", "city", Region::COUNTY)}) {
      DeltasRecord record;
      *record.mutable_reference() = ledger(event, 0);
      CHECK(bench.feed(Topic::deltas, record.SerializeAsString()).has_value());
    }
    std::vector<std::size_t> next(flushes_.size());
    const auto kind = random() % 3;  // by watermark; one sender after the other; random
    for (std::size_t fed = 0;; ++fed) {
      std::vector<std::size_t> waiting;
      for (std::size_t sender = 0; sender < flushes_.size(); ++sender) {
        if (next[sender] < flushes_[sender].size()) waiting.push_back(sender);
      }
      if (waiting.empty()) break;
      auto sender = waiting[random() % waiting.size()];
      if (kind == 0) {
        sender = *std::min_element(waiting.begin(), waiting.end(), [&](auto a, auto b) {
          return flushes_[a][next[a]].deltas().watermark_ms() < flushes_[b][next[b]].deltas().watermark_ms();
        });
      } else if (kind == 1) {
        sender = seed % 2 == 0 ? waiting.front() : waiting.back();
      }
      const auto& record = flushes_[sender][next[sender]++];
      if (sender == 0 && next[sender] == leave_out + 1) continue;
      if (static_cast<int>(random() % 100) < restart_percent) bench.restart_as(make());
      CHECK(bench
                .feed(Topic::deltas, record.SerializeAsString(),
                      Cause{fmt::format("outlet/{}", sender), {bench.next_offset(), 0}})
                .has_value());
    }
    return seals_of(bench);
  }

 private:
  std::int64_t below(std::int64_t end) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint32_t>(end));
  }

  // A flush at each midnight and some between; the first one at a random time.
  std::vector<DeltasRecord> make_flushes() {
    std::vector<DeltasRecord> records;
    auto first_day = kNoDay;
    const auto from = calendar_.start_of(nth(0)) + below(3 * kDayMs);
    const auto until = calendar_.start_of(nth(26));
    const auto flush = [&](Millis clock) {
      DeltasRecord record;
      auto& deltas = *record.mutable_deltas();
      std::vector<SentDifference> differences;
      const auto today = calendar_.day_of(clock);
      for (auto left = below(3); left-- > 0;) {
        const auto day = std::max(first_open_day(clock, calendar_), today - static_cast<std::int32_t>(below(12)));
        first_day = first_day == kNoDay ? day : std::min(first_day, day);
        const std::string brand_id = below(2) == 0 ? "B1" : "B2";
        const std::string region_id = below(2) == 0 ? "north" : "";
        const auto add = [&](Contribution contribution, std::int64_t value) {
          differences.push_back({brand_id, region_id, contribution, day, value});
        };
        add(kUnits, below(100));
        add(Contribution::stockout_days, below(41) - 20);
        add(Contribution::in_stock_days, below(100));
      }
      *deltas.mutable_columns() = columns_of(std::move(differences));
      deltas.set_watermark_ms(clock);
      deltas.set_closed_day((today - 1).number);
      deltas.set_end_of_batch(true);
      deltas.set_last_piece(true);
      deltas.set_first_day(first_day.number);
      records.push_back(std::move(record));
    };
    for (auto clock = from; clock < until;) {
      flush(clock);
      const auto next_midnight = calendar_.end_of(calendar_.day_of(clock));
      clock = std::min(next_midnight, clock + kMinuteMs + below(kDayMs));
    }
    flush(until);
    return records;
  }

  const MarketCalendar& calendar_;
  const Definition definition_ = make_definition(calendar_.zone_name(), {1, 3, 3});
  std::mt19937 random_;
  std::vector<std::vector<DeltasRecord>> flushes_;
};

TEST(MarketSeals, DoNotDependOnTheInterleavingOfSenders) {
  // In a time zone with days of 23 or 25 hours, a day may become final between two midnights.
  for (const auto* zone : {"Asia/Shanghai", "America/New_York"}) {
    const MarketCalendar calendar(zone);
    for (std::uint32_t seed = 1; seed <= 4; ++seed) {
      SealSenders senders(calendar, seed);
      const auto expected = senders.run(0, 0);
      ASSERT_GE(expected.size(), 24U);
      EXPECT_EQ(expected.back().day(), nth(25).number);
      EXPECT_GT(expected.back().records(), 20) << "there are FINAL rows";
      EXPECT_EQ(expected.front().partition(), 2);
      for (std::size_t i = 1; i < expected.size(); ++i) EXPECT_EQ(expected[i].day(), expected[i - 1].day() + 1);
      for (std::uint32_t order = 1; order <= 12; ++order) {
        EXPECT_EQ(in_bytes(senders.run(order, order % 2 == 0 ? 10 : 0)), in_bytes(expected))
            << zone << " " << seed << " order " << order;
      }
    }
  }
}

TEST(MarketSeals, CoverTheAlertsOfRegions) {
  std::int64_t transitions = 0;
  for (std::uint32_t seed = 1; seed <= 8; ++seed)
    transitions += SealSenders(shanghai(), seed).run(0, 0).back().transitions();
  EXPECT_GT(transitions, 4);
}

TEST(MarketSeals, AMissingFlushChangesTheSeal) {
  SealSenders senders(shanghai(), 1);
  const auto expected = senders.run(0, 0).back();
  int different = 0;
  for (std::size_t left_out = 3; left_out < 13; ++left_out) {
    const auto seal = senders.run(0, 0, left_out).back();
    different += seal.chain() != expected.chain() && sum_of(seal) != sum_of(expected) ? 1 : 0;
  }
  EXPECT_GE(different, 4) << "about a third of the flushes are empty";
}

TEST(MarketSeals, ADayWithoutDifferencesHasASeal) {
  const auto definition = make_definition("Asia/Shanghai", {1, 2, 1});
  MarketStage stage({definition, 0, 1, false, 1000}, shanghai());
  Bench bench(stage);
  const auto feed_flush = [&](int sender, Millis clock) {
    DeltasRecord record;
    auto& deltas = *record.mutable_deltas();
    deltas.set_watermark_ms(clock);
    deltas.set_closed_day((shanghai().day_of(clock) - 1).number);
    deltas.set_last_piece(true);
    deltas.set_first_day(kNoDay.number);
    ASSERT_TRUE(bench
                    .feed(Topic::deltas, record.SerializeAsString(),
                          Cause{fmt::format("outlet/{}", sender), {bench.next_offset(), 0}})
                    .has_value());
  };
  const auto days = [&] {
    std::vector<std::int32_t> numbers;
    for (const auto& seal : seals_of(bench)) numbers.push_back(seal.day() - nth(0).number);
    return numbers;
  };
  using Days = std::vector<std::int32_t>;
  feed_flush(0, midnight(5));
  EXPECT_EQ(days(), Days{}) << "no flush of the other sender yet";
  feed_flush(1, midnight(8));
  EXPECT_EQ(days(), Days{4});
  feed_flush(0, midnight(7));
  EXPECT_EQ(days(), (Days{5, 6}));
  feed_flush(0, midnight(7) + 1);
  EXPECT_EQ(days(), Days{});
  feed_flush(0, midnight(20));
  EXPECT_EQ(days(), Days{7}) << "up to the slowest sender";
}

// ---- alert manager --------------------------------------------------------------------------------------------------

TEST(AlertManagerSeals, AtAMidnightOneForTheLastDayThatEnded) {
  const auto definition = make_definition("Asia/Shanghai", {1, 1, 2});
  std::vector<std::unique_ptr<AlertManager>> stages;
  const auto make = [&]() -> AlertManager& {
    stages.push_back(std::make_unique<AlertManager>(AlertManager::Settings{definition, 1, 1000}));
    return *stages.back();
  };
  Bench bench(make());
  std::int64_t number = 0;
  const auto fires = [&](Millis known_at) {
    SignalRecord record;
    auto& transition = *record.mutable_transition();
    transition.set_alert_id("A");
    transition.set_transition(++number);
    transition.set_state(number % 2 == 1 ? Transition::FIRING : Transition::RESOLVED);
    transition.set_known_at_ms(known_at);
    ASSERT_TRUE(bench.feed(Topic::signals, record.SerializeAsString()).has_value());
  };
  const auto seal_lines = [&] {
    Lines lines;
    for (const auto& seal : seals_of(bench)) {
      lines.push_back(fmt::format("{} {} {}", seal.day() - nth(0).number, seal.records(), seal.next_offset()));
    }
    return lines;
  };
  fires(kStart);
  EXPECT_EQ(seal_lines(), Lines{"-1 0 0"});
  fires(kStart + kMinuteMs);
  EXPECT_EQ(seal_lines(), Lines{});
  bench.restart_as(make());
  fires(midnight(1));
  EXPECT_EQ(seal_lines(), Lines{"0 2 2"}) << "without the record that passes midnight";
  fires(midnight(1) - 1);
  EXPECT_EQ(seal_lines(), Lines{}) << "a late transition is in the next seal";
  fires(midnight(100));
  EXPECT_EQ(seal_lines(), Lines{"99 4 4"}) << "one seal after many days without a record";
}

// ---- the whole flow -------------------------------------------------------------------------------------------------

// Runs all stages to the end of the log after each day of the history.
void run_by_day(const std::vector<SourceRecord>& history, Rig& rig) {
  auto today = shanghai().day_of(history.front().arrival);
  for (const auto& record : history) {
    if (const auto day = shanghai().day_of(record.arrival); day != today) {
      rig.marks(shanghai().start_of(day));
      rig.run();
      today = day;
    }
    rig.arrives(record.topic, 0, record.arrival, record.key, record.value);
  }
  rig.marks(history.back().arrival + 17 * kDayMs);
  rig.run();
}

std::vector<Seal> seals_in(Rig& rig) {
  std::vector<Seal> seals;
  for (const auto& record : rig.records(Topic::seals)) {
    CHECK(seals.emplace_back().ParseFromArray(record.value.data(), static_cast<int>(record.value.size())),
          record.offset);
  }
  return seals;
}

// The sums of all partitions of a stage, by day.
std::map<std::int32_t, std::string> sums_of(const std::vector<Seal>& seals, std::string_view stage) {
  std::map<std::int32_t, Seal> days;
  for (const auto& seal : seals) {
    if (seal.stage() == stage) add_sum(seal, days[seal.day()]);
  }
  std::map<std::int32_t, std::string> sums;
  for (const auto& [day, sum] : days) sums[day] = sum_of(sum);
  return sums;
}

TEST(Seals, TheirSumDoesNotDependOnTheNumberOfPartitions) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const auto history = random_history(seed, {});
    std::map<std::int32_t, std::string> outlet;
    std::map<std::int32_t, std::string> market;
    for (const PartitionCounts counts :
         {PartitionCounts{1, 1, 1}, PartitionCounts{1, 2, 3}, PartitionCounts{1, 3, 2}}) {
      Rig rig(counts, false);
      run_by_day(history, rig);
      const auto seals = seals_in(rig);
      if (outlet.empty()) {
        outlet = sums_of(seals, "outlet");
        market = sums_of(seals, "market");
        EXPECT_GT(outlet.size(), 20U);
        EXPECT_NE(market.rbegin()->second, sum_of(Seal()));
      }
      EXPECT_EQ(sums_of(seals, "outlet"), outlet) << seed << ", ledger partitions: " << counts.ledger;
      EXPECT_EQ(sums_of(seals, "market"), market) << seed << ", market partitions: " << counts.market;
    }
  }
}

TEST(Seals, ARebuiltTaskWritesTheSameSealsAgain) {
  Rig rig({1, 2, 2}, false);
  run_by_day(random_history(3, {}), rig);
  const auto all_seals = [&] {
    std::map<std::string, std::pair<std::string, std::string>> seals;  // by key: value and cause
    for (const auto& record : rig.records(Topic::seals)) {
      const std::pair seal(std::string(record.value), to_text(record.cause.value()));
      const auto [known, is_new] = seals.try_emplace(std::string(record.key), seal);
      EXPECT_EQ(known->second, seal) << record.key;
    }
    return seals;
  };
  const auto rebuild = [&](Topic topic) {
    for (const std::int32_t partition : {0, 1}) {
      const auto again = rig.make_actor({topic, partition}, std::make_shared<MemoryStore::Content>());
      for (;;) {
        const auto worked = again->work(17);
        ASSERT_TRUE(worked.has_value()) << worked.error().what;
        ASSERT_TRUE(again->commit().has_value());
        if (*worked == 0) break;
      }
    }
  };
  rebuild(Topic::signals);
  const auto once = all_seals();
  const auto records = rig.records(Topic::seals).size();
  std::set<std::string> stages;
  for (const auto& [key, seal] : once) stages.insert(key.substr(0, key.find(',')));
  EXPECT_EQ(stages, (std::set<std::string>{R"(["outlet")", R"(["market")", R"(["desk")"}));
  for (const auto topic : kInternalTopics) rebuild(topic);
  EXPECT_EQ(all_seals(), once);
  EXPECT_EQ(rig.records(Topic::seals).size(), records + once.size()) << "all of them were written again";
}

}  // namespace
}  // namespace fiverate::test
