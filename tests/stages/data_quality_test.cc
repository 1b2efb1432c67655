// Rule R16 from the ledger to the alert manager: counts and held records in the outlet stage, closes in the market stage.
#include <random>

#include "processors/stages/alert_manager.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "processors/stages/source_holds.h"
#include "schemas/format.h"
#include "tests/stages/bench.h"
#include "tests/support/rig.h"

namespace fiverate::test {
namespace {

using Texts = std::vector<std::string>;

constexpr Millis kOneHour = 60 * kMinuteMs;
Millis midnight(std::int32_t days) {
  return shanghai().start_of(nth(days));
}

// "deliveries 2 FIRING CRITICAL 20/100 records 03-02 00:00"
std::string text_of(const Transition& t) {
  return fmt::format("{} {} {} {} {}/{} {} {} {}", t.source_topic(), t.transition(), Transition::State_Name(t.state()),
                     Transition::Severity_Name(t.severity()), t.value(), t.threshold(), t.unit(),
                     shanghai().format(t.at_ms()).substr(5, 5), shanghai().format(t.at_ms()).substr(11, 5));
}

// ---- held records ---------------------------------------------------------------------------------------------------

Progress::Hold hold(std::int32_t source, std::int64_t decided_until, std::optional<std::int64_t> held = {}) {
  Progress::Hold hold;
  hold.set_source(source);
  hold.set_decided_until(decided_until);
  if (held) hold.set_held_offset(*held);
  return hold;
}

class Holds : public testing::Test {
 protected:
  // "changed: deliveries/0/7", or what is held without a change.
  std::string reported(const std::vector<Progress::Hold>& reports) {
    Progress progress;
    for (const auto& report : reports) *progress.add_holds() = report;
    std::string text = holds.apply(progress) ? "changed:" : "";
    const auto held = holds.records(0);
    for (const auto& record : held.records())
      text += fmt::format("{}{}/{}/{}", text.empty() ? "" : " ", record.topic(), record.partition(), record.offset());
    return text;
  }

  SourceHolds holds{{{Topic::orders, 0}, {Topic::deliveries, 0}, {Topic::deliveries, 1}}};
};

TEST_F(Holds, FollowTheHighestOffsets) {
  EXPECT_EQ(reported({hold(0, 1)}), "") << "only decided";
  EXPECT_EQ(reported({hold(1, 0, 7)}), "changed: deliveries/0/7");
  EXPECT_EQ(reported({hold(1, 0, 7)}), "deliveries/0/7") << "a repetition";
  EXPECT_EQ(reported({hold(1, 5)}), "deliveries/0/7") << "a process that has not seen it yet";
  EXPECT_EQ(reported({hold(2, 0, 3)}), "changed: deliveries/0/7 deliveries/1/3");
  EXPECT_EQ(reported({hold(1, 9)}), "changed: deliveries/1/3");
  EXPECT_EQ(reported({hold(1, 0, 7)}), "deliveries/1/3") << "a process that lost the partition before the decision";
  EXPECT_EQ(reported({hold(1, 9, 12), hold(2, 4)}), "changed: deliveries/0/12");
  EXPECT_EQ(reported({hold(1, 13, 20)}), "changed: deliveries/0/20");
  EXPECT_EQ(reported({hold(17, 0, 1), hold(-1, 0, 1)}), "deliveries/0/20") << "unknown sources";
}

TEST_F(Holds, AreTheSameAfterARestart) {
  reported({hold(1, 5, 7)});
  ProgressState state;
  holds.save(state);
  holds = SourceHolds({{Topic::orders, 0}, {Topic::deliveries, 0}});
  holds.load(state);
  EXPECT_EQ(reported({}), "deliveries/0/7");
  EXPECT_EQ(reported({hold(1, 4, 4)}), "deliveries/0/7") << "decided before";
}

TEST_F(Holds, OfPartitionsThatAreAddedLater) {
  EXPECT_EQ(reported({hold(3, 0, 4)}), "");
  holds.extend_to({{Topic::orders, 0}, {Topic::deliveries, 0}, {Topic::deliveries, 1}, {Topic::deliveries, 2}});
  EXPECT_EQ(reported({hold(3, 0, 4)}), "changed: deliveries/2/4");
}

// ---- the outlet stage -----------------------------------------------------------------------------------------------

class Outcomes : public testing::Test {
 protected:
  explicit Outcomes(bool file_replay = false) : file_replay_(file_replay) {
    feed(sku("s1", "B1"), kStart);
    feed(outlet("shop", nth(-10), "north"), kStart);
  }

  std::unique_ptr<OutletStage> make() const {
    return std::make_unique<OutletStage>(OutletStage::Settings{definition, 2, 1000, file_replay_}, shanghai());
  }
  void feed(const Event& event, Millis arrival, const std::string& source = "deliveries/0") {
    feed(ledger(event, arrival), source);
  }
  void feed(const LedgerRecord& record, const std::string& source) {
    const auto fed = bench.feed(Topic::ledger, record.SerializeAsString(), Cause{source, {bench.next_offset(), 0}});
    ASSERT_TRUE(fed.has_value()) << fed.error().what;
  }
  void rejected_by_intake(Millis arrival, const std::string& source, bool document = true) {
    LedgerRecord record;
    record.set_arrival_ms(arrival);
    record.mutable_rejection()->set_reason("malformed");
    record.mutable_rejection()->set_document(document);
    feed(record, source);
  }
  void advance(Millis clock, const std::vector<Progress::Hold>& holds = {}) {
    auto record = progress_to(clock, definition);
    for (const auto& one : holds) *record.mutable_progress()->add_holds() = one;
    ASSERT_TRUE(bench.feed(Topic::ledger, record.SerializeAsString()).has_value());
  }
  void restart() {
    stages.push_back(make());
    bench.restart_as(*stages.back());
  }

  // What was sent since the last call: "deliveries 0: 2 of 5", by the number of the day; "held at 03-01 12:00: deliveries/0/7".
  Texts sent() {
    Texts texts;
    for (const auto& one : bench.drain(Topic::deltas)) {
      const auto record = one.as<DeltasRecord>();
      if (!record.deltas().has_quality()) continue;
      const auto& quality = record.deltas().quality();
      EXPECT_EQ(one.partition, partition_of("", 2));
      for (const auto& counts : quality.outcomes()) {
        texts.push_back(fmt::format("{} {}: {} of {}", counts.topic(), counts.day() - nth(0).number, counts.rejected(),
                                    counts.documents()));
      }
      if (!quality.has_holds()) continue;
      auto text = fmt::format("held at {}:", shanghai().format(quality.holds().at_ms()).substr(5, 11));
      for (const auto& held : quality.holds().records())
        text += fmt::format(" {}/{}/{}", held.topic(), held.partition(), held.offset());
      texts.push_back(std::move(text));
    }
    return texts;
  }

  const Definition definition = make_definition("Asia/Shanghai", {1, 1, 2});
  bool file_replay_;
  std::vector<std::unique_ptr<OutletStage>> stages = [this] {
    std::vector<std::unique_ptr<OutletStage>> first;
    first.push_back(make());
    return first;
  }();
  Bench bench{*stages.front()};
};

TEST_F(Outcomes, CountDocumentsByTopicOnTheDayOfTheirOutcome) {
  const auto good = delivery("D1", "shop", kStart, {{"s1", 5}});
  feed(good, kStart);
  feed(good, kStart + 1);                                                   // a duplicate is not rejected
  feed(delivery("D2", "shop", kStart - 30 * kDayMs, {{"s1", 5}}), kStart);  // late
  feed(visit("V1", "shop", kStart + kDayMs), kStart + kDayMs, "visits/0");  // the next day
  rejected_by_intake(kStart, "deliveries/0");
  rejected_by_intake(kStart, "orders/0");
  rejected_by_intake(kStart, "orders/0", false);  // a mark
  rejected_by_intake(kStart, "reference/0", false);
  advance(kStart + kOneHour);
  EXPECT_EQ(sent(), (Texts{"orders 0: 1 of 1", "deliveries 0: 2 of 4", "visits 1: 0 of 1"}));
  advance(kStart + 2 * kOneHour);
  EXPECT_EQ(sent(), Texts{}) << "once";
}

TEST_F(Outcomes, OfADocumentThatWaitsAreFoundWhenTheWaitingEnds) {
  feed(delivery("D1", "nobody", kStart, {{"s1", 5}}), kStart);
  feed(delivery("D2", "shop", kStart, {{"s9", 5}}), kStart);
  advance(kStart + kOneHour);
  EXPECT_EQ(sent(), Texts{});
  restart();
  advance(kStart + 12 * kOneHour);
  feed(sku("s9", "B1"), kStart + 13 * kOneHour);  // after midnight
  advance(kStart + 13 * kOneHour);
  EXPECT_EQ(sent(), (Texts{"deliveries 1: 0 of 1"}));
  advance(kStart + 25 * kOneHour);
  EXPECT_EQ(sent(), (Texts{"deliveries 1: 1 of 1"})) << "the outlet is still unknown";
}

class OutcomesOfAFileReplay : public Outcomes {
 protected:
  OutcomesOfAFileReplay() : Outcomes(true) {}
};

// So that it has the same alerts as a live run.
TEST_F(OutcomesOfAFileReplay, OfAnUnknownOutletCountWhenALiveRunWouldKnow) {
  feed(delivery("D1", "nobody", kStart, {{"s1", 5}}), kStart);
  advance(kStart + kOneHour);
  EXPECT_EQ(sent(), (Texts{"deliveries 1: 1 of 1"}));
  // Waited for 24 hours at 23:59:59.999, it is found to be unknown at midnight.
  feed(delivery("D2", "nobody", midnight(1) - 1, {{"s1", 5}}), midnight(1) - 1);
  advance(midnight(1));
  EXPECT_EQ(sent(), (Texts{"deliveries 2: 1 of 1"}));
}

TEST_F(Outcomes, HeldRecordsAreSentOnceWithTheClock) {
  advance(kStart);
  sent();
  advance(kStart, {hold(1, 0, 7)});
  EXPECT_EQ(sent(), (Texts{"held at 03-01T12:00: deliveries/0/7"})) << "though the clock stands still";
  restart();
  advance(kStart, {hold(1, 0, 7)});
  EXPECT_EQ(sent(), Texts{});
  advance(kStart + 2 * kDayMs, {hold(1, 8)});
  EXPECT_EQ(sent(), (Texts{"held at 03-03T12:00:"}));
}

// ---- the market stage -----------------------------------------------------------------------------------------------

// A record of one outlet task.
struct Flush {
  Deltas deltas;

  explicit Flush(Millis watermark) {
    deltas.set_watermark_ms(watermark);
    deltas.set_closed_day((shanghai().day_of(watermark) - 1).number);
    deltas.set_last_piece(true);
    deltas.set_first_day(nth(0).number);
  }
  Flush& outcomes(std::int32_t day, std::int64_t rejected, std::int64_t documents) {
    auto& counts = *deltas.mutable_quality()->add_outcomes();
    counts.set_topic("deliveries");
    counts.set_day(nth(day).number);
    counts.set_documents(documents);
    counts.set_rejected(rejected);
    return *this;
  }
  Flush& holds(const std::vector<HeldRecord>& held) {
    auto& holds = *deltas.mutable_quality()->mutable_holds();
    holds.set_at_ms(deltas.watermark_ms());
    for (const auto& record : held) {
      auto& one = *holds.add_records();
      one.set_topic("deliveries");
      one.set_partition(record.partition);
      one.set_offset(record.offset);
    }
    return *this;
  }
};

// Two outlet tasks. The first one reports the held records.
const std::array<std::vector<Flush>, 2>& flushes() {
  static const std::array<std::vector<Flush>, 2> kFlushes{
      std::vector<Flush>{
          Flush(midnight(0) + kOneHour).outcomes(0, 9, 400).outcomes(1, 3, 100),
          Flush(midnight(1)).outcomes(0, 1, 100),
          Flush(midnight(1) + kOneHour).holds({{0, 77}}),
          Flush(midnight(1) + kOneHour).holds({}),
          Flush(midnight(2)).outcomes(1, 2, 400),
          Flush(midnight(3)).outcomes(1, 500, 500),  // of a day that this task has closed
          Flush(midnight(4)),
          Flush(midnight(5)),
          Flush(midnight(5) + kOneHour).holds({{0, 99}}),
          Flush(midnight(5) + 2 * kOneHour).holds({{0, 99}, {2, 5}}),
          Flush(midnight(6)).holds({}),  // the clock passes midnight with the decision
          Flush(midnight(7)),
      },
      std::vector<Flush>{
          Flush(midnight(0) + kOneHour).outcomes(0, 10, 500),
          Flush(midnight(1)),
          Flush(midnight(2)),
          Flush(midnight(3)).outcomes(4, 0, 10),
          Flush(midnight(4)),
          Flush(midnight(5)),
          Flush(midnight(6)).outcomes(5, 50, 100),
          Flush(midnight(7)),
      }};
  return kFlushes;
}

struct Closed {
  Texts transitions;
  std::map<std::string, std::string> seals;
};

// `order` has the sender of each record; the stage restarts before the record with the number `restart`.
Closed run_market(const std::vector<std::size_t>& order, std::size_t restart) {
  const auto definition = make_definition("Asia/Shanghai", {1, 2, 1});
  std::vector<std::unique_ptr<MarketStage>> stages;
  const auto make = [&]() -> MarketStage& {
    stages.push_back(std::make_unique<MarketStage>(MarketStage::Settings{definition, 0, 1, false, 1000}, shanghai()));
    return *stages.back();
  };
  Bench bench{make()};
  std::array<std::size_t, 2> next{};
  for (std::size_t turn = 0; turn < order.size(); ++turn) {
    if (turn == restart) bench.restart_as(make());
    const auto sender = order[turn];
    DeltasRecord record;
    *record.mutable_deltas() = flushes()[sender][next[sender]++].deltas;
    const auto fed = bench.feed(Topic::deltas, record.SerializeAsString(),
                                Cause{fmt::format("outlet/{}", sender), {bench.next_offset(), 0}});
    EXPECT_TRUE(fed.has_value()) << fed.error().what;
  }
  Closed closed;
  for (const auto& one : bench.drain()) {
    if (one.topic == Topic::seals) closed.seals[one.key] = one.value;
    if (one.topic != Topic::signals) continue;
    const auto signal = one.as<SignalRecord>();
    if (signal.has_transition()) closed.transitions.push_back(text_of(signal.transition()));
  }
  return closed;
}

TEST(DataQualityAtTheClose, DoesNotDependOnTheOrderOfTheSenders) {
  const Texts expected{
      "deliveries 1 FIRING WARNING 20/1000 records 03-02 00:00",
      "deliveries 2 FIRING CRITICAL 1/0 partitions 03-02 01:00",
      "deliveries 3 RESOLVED CRITICAL 0/0 records 03-05 00:00",
      "deliveries 4 FIRING CRITICAL 1/0 partitions 03-06 01:00",
      // At the close of the 6th the share fires, so the decision behind it resolves nothing.
  };
  std::vector<std::size_t> order(flushes()[0].size(), 0);
  order.resize(flushes()[0].size() + flushes()[1].size(), 1);
  const auto first = run_market(order, 99);
  EXPECT_EQ(first.transitions, expected) << "the first sender is days ahead";
  std::reverse(order.begin(), order.end());
  EXPECT_EQ(run_market(order, 99).transitions, expected) << "the second sender is days ahead";
  std::mt19937 random(20260301);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same orders in every run
  for (int i = 0; i < 200; ++i) {
    for (std::size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[random() % left]);
    const auto other = run_market(order, random() % order.size());
    EXPECT_EQ(other.transitions, expected) << "order " << i;
    EXPECT_EQ(other.seals, first.seals) << "order " << i;
  }
}

// ---- all stages -----------------------------------------------------------------------------------------------------

class AllStages : public testing::Test {
 protected:
  AllStages() {
    rig.arrives(region("north", "", Region::COUNTY), kStart);
    rig.arrives(sku("s1", "B1"), kStart);
    rig.arrives(outlet("shop", nth(-10), "north"), kStart);
  }
  void deliver(int count, std::int64_t quantity, Millis time) {
    for (int i = 0; i < count; ++i)
      rig.arrives(delivery(fmt::format("D{}", ++documents), "shop", time, {{"s1", quantity}}), time);
  }
  Texts transitions() {
    Texts texts;
    for (const auto& one : rig.transitions()) {
      if (one.rule() == "R16") texts.push_back(text_of(one));
    }
    return texts;
  }
  // The alerts of the rule after the alert manager has read all signals.
  Texts alerts() {
    const auto partition = partition_of("", 2);
    AlertManager manager({rig.definition(), partition, 1000});
    Bench bench(manager);
    for (const auto& record : rig.records(Topic::signals)) {
      if (record.input.partition != partition) continue;
      EXPECT_TRUE(bench.feed(Topic::signals, std::string(record.value), record.cause).has_value());
    }
    std::map<std::string, std::string> last;
    for (const auto& one : bench.drain(Topic::alerts)) {
      const auto alert = one.as<Alert>();
      if (alert.last().rule() == "R16") last[alert.last().source_topic()] = text_of(alert.last());
    }
    Texts texts;
    for (const auto& [topic, text] : last) texts.push_back(text);
    return texts;
  }

  Rig rig{{1, 2, 2}, false};
  int documents = 0;
};

TEST_F(AllStages, FromRejectedAndHeldRecordsToTheAlertManager) {
  deliver(170, 5, kStart);
  deliver(20, -1, kStart);  // rejected by intake
  rig.marks(midnight(1) + kOneHour);
  rig.run();
  Texts expected{"deliveries 1 FIRING CRITICAL 20/190 records 03-02 00:00"};
  EXPECT_EQ(transitions(), expected);

  const Input visits{Topic::visits, 0};
  rig.report_hold(visits, 1, 6);
  rig.run();
  expected.push_back("visits 1 FIRING CRITICAL 1/0 partitions 03-02 01:00");
  EXPECT_EQ(transitions(), expected);
  EXPECT_EQ(alerts(), (Texts{expected[0], expected[1]}));

  rig.report_hold(visits, 7, std::nullopt);
  rig.run();
  expected.push_back("visits 2 RESOLVED CRITICAL 0/0 partitions 03-02 01:00");
  EXPECT_EQ(transitions(), expected);

  deliver(200, 5, midnight(2) + kOneHour);
  rig.marks(midnight(4) + kOneHour);
  rig.run();
  expected.push_back("deliveries 2 RESOLVED CRITICAL 0/0 records 03-05 00:00");
  EXPECT_EQ(transitions(), expected);
  EXPECT_EQ(alerts(), (Texts{expected[3], expected[2]}));
}

}  // namespace
}  // namespace fiverate::test
