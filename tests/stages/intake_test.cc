// Intake: accepted and rejected records, arrival times, progress records.
#include "processors/stages/intake.h"

#include <gmock/gmock.h>

#include <limits>

#include "processors/stages/progress.h"
#include "processors/stream/memory_store.h"
#include "schemas/decode.h"
#include "schemas/instant.h"
#include "tests/stages/bench.h"

namespace fiverate::test {
namespace {

class IntakeTest : public testing::Test {
 protected:
  Result<void> feed(const Event& event, Millis timestamp, Topic topic = Topic::deliveries) {
    return bench.feed(topic, event.SerializeAsString(), std::nullopt, timestamp);
  }
  static Event some_delivery() { return delivery("D", "shop", kNow, {{"s1", 5}}); }

  const Definition definition = make_definition("Asia/Shanghai", {2, 3, 2});
  Intake intake{{definition}};
  Bench bench{intake};
};

TEST_F(IntakeTest, ADocumentGoesToTheLedgerPartitionOfItsOutlet) {
  auto event = some_delivery();
  set_millis(*event.mutable_arrival_time(), 5);  // files only
  ASSERT_TRUE(feed(event, kNow + 9).has_value());
  const auto sent = bench.drain();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].topic, Topic::ledger);
  EXPECT_EQ(sent[0].partition, partition_of("shop", 3));
  EXPECT_EQ(sent[0].key, "shop");
  EXPECT_TRUE(sent[0].to_task) << "chained, so that the receiver detects a sequence gap";
  const auto record = sent[0].as<LedgerRecord>();
  EXPECT_EQ(record.arrival_ms(), kNow + 9);
  EXPECT_EQ(record.event().delivery().delivery_id(), "D");
  EXPECT_FALSE(record.event().has_arrival_time());
}

TEST_F(IntakeTest, ARejectedRecordIsQuarantinedWithItsBytesAndNotedInTheLedger) {
  struct Case {
    std::string value;
    std::string reason;
    std::string key;  // of the note: the outlet id, if the record could be decoded
  };
  for (const auto& [value, reason, key] :
       std::vector<Case>{{"{\"event_id\":", "malformed", ""},
                         {delivery("D", "shop", kNow, {{"s1", -1}}).SerializeAsString(), "negative_quantity", "shop"},
                         {visit("V", "shop", kNow).SerializeAsString(), "bad_payload", "shop"},  // not of this topic
                         {sku("s1", "B1").SerializeAsString(), "bad_payload", ""}}) {
    ASSERT_TRUE(bench.feed(Topic::deliveries, value, std::nullopt, kNow).has_value());
    const auto sent = bench.drain();
    ASSERT_EQ(sent.size(), 2U) << reason;
    const auto quarantined = sent[0].as<Quarantined>();
    EXPECT_EQ(sent[0].topic, Topic::quarantine);
    EXPECT_EQ(quarantined.reason(), reason);
    EXPECT_EQ(quarantined.value(), value);
    EXPECT_EQ(quarantined.topic(), "deliveries");
    EXPECT_EQ(quarantined.offset(), bench.next_offset() - 1);
    EXPECT_EQ(sent[0].key, "deliveries/0/" + std::to_string(bench.next_offset() - 1) + "/0") << "its cause";
    EXPECT_EQ(sent[1].topic, Topic::ledger);
    EXPECT_EQ(sent[1].partition, partition_of(key, 3));
    EXPECT_EQ(sent[1].as<LedgerRecord>().rejection().reason(), reason);
    EXPECT_TRUE(sent[1].as<LedgerRecord>().rejection().document());
  }
}

TEST_F(IntakeTest, AVeryLargeRecordIsTruncatedInQuarantine) {
  const std::string large(12'000'000, '\0');
  ASSERT_TRUE(bench.feed(Topic::deliveries, large, std::nullopt, kNow).has_value());
  const auto sent = bench.drain();
  ASSERT_EQ(sent.size(), 2U);
  const auto quarantined = sent[0].as<Quarantined>();
  EXPECT_EQ(quarantined.reason(), "malformed");
  EXPECT_LT(quarantined.ByteSizeLong(), 8U * 1024 * 1024) << "fits into a record of the topic";
  EXPECT_TRUE(quarantined.truncated());
  EXPECT_NE(quarantined.detail().find("of 12000000 bytes"), std::string::npos);
}

TEST_F(IntakeTest, ACommandIsCopiedToEveryPartitionOfSignals) {
  Event event;
  event.set_event_id("c1");
  set_millis(*event.mutable_event_time(), kNow);
  auto& command = *event.mutable_command();
  command.set_command_id("c1");
  command.set_author("someone");
  command.set_verb(Command::ACK);
  command.set_alert_id("0123456789abcdef");
  ASSERT_TRUE(feed(event, kNow, Topic::commands).has_value());
  const auto sent = bench.drain();
  ASSERT_EQ(sent.size(), 2U);
  for (std::int32_t partition = 0; partition < 2; ++partition) {
    const auto& one = sent[static_cast<std::size_t>(partition)];
    EXPECT_EQ(one.topic, Topic::signals);
    EXPECT_EQ(one.partition, partition);
    EXPECT_EQ(one.as<SignalRecord>().event().event().command().author(), "someone");
  }
  ASSERT_TRUE(bench.feed(Topic::commands, "rubbish", std::nullopt, kNow).has_value());
  EXPECT_FALSE(bench.drain(Topic::ledger).at(0).as<LedgerRecord>().rejection().document()) << "no document";
}

// ---- time -----------------------------------------------------------------------------------------------------------

TEST_F(IntakeTest, ArrivalIsRaisedToTheHighestSoFar) {
  const auto arrival = [&](Millis timestamp) {
    EXPECT_TRUE(feed(some_delivery(), timestamp).has_value());
    return bench.drain(Topic::ledger).at(0).as<LedgerRecord>().arrival_ms();
  };
  EXPECT_EQ(arrival(100), 100);
  EXPECT_EQ(arrival(50), 100);
  EXPECT_EQ(arrival(120), 120);
  EXPECT_EQ(intake.clock(), 120);
  Intake next{{definition}};
  bench.restart_as(next);
  EXPECT_EQ(next.clock(), 120);
  EXPECT_EQ(arrival(90), 120);
}

TEST_F(IntakeTest, AMarkRaisesTheClockAndHasNoOutput) {
  ASSERT_TRUE(feed(mark(kNow + 500), kNow).has_value());
  EXPECT_EQ(intake.clock(), kNow + 500);
  ASSERT_TRUE(feed(mark(kNow + 100), kNow + 200).has_value());
  EXPECT_EQ(intake.clock(), kNow + 500);
  EXPECT_TRUE(bench.drain().empty());
}

TEST_F(IntakeTest, FromALiveMarkOnMarksRaiseTheClockToTheirTimestamp) {
  ASSERT_TRUE(feed(mark(kNow + 500), kNow).has_value());
  EXPECT_FALSE(intake.is_live());
  auto live = mark(kNow + 9'000);
  live.mutable_mark()->set_live(true);
  ASSERT_TRUE(feed(live, kNow + 600).has_value());
  EXPECT_TRUE(intake.is_live());
  EXPECT_EQ(intake.clock(), kNow + 600) << "its complete_through does not count";
  Intake next{{definition}};
  bench.restart_as(next);
  EXPECT_TRUE(next.is_live());
  ASSERT_TRUE(feed(mark(kNow + 10'000), kNow + 700).has_value());
  EXPECT_EQ(next.clock(), kNow + 700);
  EXPECT_TRUE(bench.drain().empty());
}

TEST_F(IntakeTest, ATimestampAfterTheYear9999IsQuarantinedAndDoesNotRaiseTheClock) {
  constexpr auto kMax = std::numeric_limits<Millis>::max();
  ASSERT_TRUE(feed(some_delivery(), kMax).has_value());
  EXPECT_EQ(intake.clock(), kNever) << "the partition has no valid record yet";
  EXPECT_EQ(bench.drain(Topic::ledger).at(0).as<LedgerRecord>().arrival_ms(), 0);
  ASSERT_TRUE(feed(some_delivery(), kNow).has_value());
  bench.drain();
  for (const auto timestamp : {kMax, kMax - 1, kYear10000Ms}) {
    for (const auto& event : {some_delivery(), mark(kNow + 500)}) {
      ASSERT_TRUE(feed(event, timestamp).has_value());
      const auto sent = bench.drain();
      ASSERT_EQ(sent.size(), 2U) << timestamp;
      EXPECT_EQ(sent[0].as<Quarantined>().reason(), "bad_value");
      EXPECT_EQ(sent[0].as<Quarantined>().arrival_ms(), kNow);
      EXPECT_EQ(sent[1].as<LedgerRecord>().arrival_ms(), kNow);
      EXPECT_EQ(sent[1].as<LedgerRecord>().rejection().document(), !event.has_mark());
    }
  }
  EXPECT_EQ(intake.clock(), kNow);
  ASSERT_TRUE(feed(some_delivery(), kYear10000Ms - 1).has_value());
  EXPECT_EQ(bench.drain(Topic::ledger).at(0).as<LedgerRecord>().arrival_ms(), kYear10000Ms - 1)
      << "the last valid timestamp";
}

TEST_F(IntakeTest, ATimestampBefore1970IsRaisedToTheHighestSoFar) {
  for (const auto timestamp : {Millis{-1}, kNever, kNever + 1}) {
    ASSERT_TRUE(feed(some_delivery(), timestamp).has_value());
    EXPECT_EQ(bench.drain(Topic::ledger).at(0).as<LedgerRecord>().arrival_ms(), 0);
  }
  EXPECT_EQ(intake.clock(), kNever);
  ASSERT_TRUE(feed(some_delivery(), kNow).has_value());
  bench.drain();
  ASSERT_TRUE(feed(some_delivery(), -1).has_value());
  EXPECT_EQ(bench.drain(Topic::ledger).at(0).as<LedgerRecord>().arrival_ms(), kNow);
}

// ---- jumps of the clock ---------------------------------------------------------------------------------------------

TEST_F(IntakeTest, ARejectedJumpIsQuarantinedAsFutureAndDoesNotRaiseTheClock) {
  ASSERT_TRUE(feed(some_delivery(), kNow).has_value());
  bench.drain();
  const auto far = kNow + 3 * kDayMs;
  intake.jump_guard()->decide({bench.next_offset(), bench.next_offset() + 2, false});
  for (const auto& event : {some_delivery(), mark(far)}) {
    ASSERT_TRUE(feed(event, event.has_mark() ? kNow : far).has_value());
    const auto sent = bench.drain();
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_EQ(sent[0].as<Quarantined>().reason(), "future");
    EXPECT_EQ(sent[0].as<Quarantined>().arrival_ms(), kNow);
    EXPECT_EQ(sent[1].as<LedgerRecord>().rejection().document(), !event.has_mark());
  }
  EXPECT_EQ(intake.clock(), kNow);
  ASSERT_TRUE(feed(some_delivery(), kNow + 1).has_value());
  EXPECT_EQ(bench.drain(Topic::ledger).at(0).as<LedgerRecord>().arrival_ms(), kNow + 1);
}

TEST_F(IntakeTest, ACommandDecidesAboutAHeldRecordAndIsNotCopied) {
  Event event;
  event.set_event_id("c1");
  set_millis(*event.mutable_event_time(), kNow);
  event.mutable_command()->set_command_id("c1");
  event.mutable_command()->set_author("someone");
  event.mutable_command()->set_verb(Command::REJECT_HELD);
  event.mutable_command()->set_held("deliveries/3/1234");
  ASSERT_TRUE(feed(event, kNow, Topic::commands).has_value());
  EXPECT_TRUE(bench.drain().empty());
  EXPECT_EQ(intake.jump_guard()->ruling("deliveries/3/1234"), false);
  EXPECT_EQ(intake.jump_guard()->ruling("deliveries/3/1235"), std::nullopt);
}

// ---- records that are checked again ---------------------------------------------------------------------------------

TEST_F(IntakeTest, ARetriedDocumentHasItsFirstArrivalAndDoesNotRaiseTheClock) {
  // In quarantine partition 1 from offset 5 on.
  std::vector<Quarantined> stored(2);
  for (auto& record : stored) {
    record.set_topic("deliveries");
    record.set_partition(2);
    record.set_offset(77);
    record.set_arrival_ms(40);
  }
  stored[0].set_value(some_delivery().SerializeAsString());
  stored[1].set_value("rubbish");
  IntakeSettings settings{definition};
  settings.read_quarantine = [&](const std::vector<QuarantinePosition>& positions) {
    std::vector<std::optional<Quarantined>> found;
    for (const auto& position : positions) {
      const auto at = static_cast<std::size_t>(position.offset - 5);
      found.push_back(position.partition == 1 && at < stored.size() ? std::optional(stored[at]) : std::nullopt);
    }
    return found;
  };
  Intake next(settings);
  bench.restart_as(next);
  Event event;
  event.set_event_id("c1");
  set_millis(*event.mutable_event_time(), 200);
  event.mutable_command()->set_command_id("c1");
  event.mutable_command()->set_author("someone");
  event.mutable_command()->set_verb(Command::RETRY);
  for (const auto* position : {"1/5", "1/6", "1/7"}) event.mutable_command()->add_retried()->set_position(position);
  ASSERT_TRUE(feed(event, 200, Topic::commands).has_value());
  const auto sent = bench.drain();
  ASSERT_EQ(sent.size(), 5U);
  EXPECT_EQ(sent[0].as<LedgerRecord>().arrival_ms(), 40);
  EXPECT_EQ(sent[0].as<LedgerRecord>().event().delivery().delivery_id(), "D");
  EXPECT_EQ(sent[0].as<LedgerRecord>().source(), "deliveries/2/77/0") << "its first position, for evidence";
  EXPECT_EQ(sent[1].as<Quarantined>().reason(), "malformed");
  EXPECT_EQ(sent[1].key, "deliveries/2/77/0") << "its first cause: readers list it once";
  EXPECT_EQ(sent[1].as<Quarantined>().arrival_ms(), 40);
  EXPECT_EQ(sent[3].as<Quarantined>().reason(), "bad_value") << "there is no record at this offset";
  EXPECT_EQ(sent[3].as<Quarantined>().topic(), "commands");
  EXPECT_EQ(next.clock(), 200);
}

// ---- progress -------------------------------------------------------------------------------------------------------

TEST(ProgressTracker, ItsRecordsHaveTheLatestArrivalOfEachSource) {
  const auto definition = make_definition("Asia/Shanghai", {2, 1, 1});
  ProgressTracker tracker(definition);
  EXPECT_FALSE(tracker.changed());
  EXPECT_TRUE(tracker.records().empty());
  tracker.acknowledge({Topic::deliveries, 1}, 70);
  tracker.acknowledge({Topic::orders, 0}, 50);
  tracker.acknowledge({Topic::orders, 0}, 40);
  tracker.acknowledge({Topic::visits, 0}, kNever);
  tracker.acknowledge({Topic::ledger, 0}, 99);  // no source partition
  EXPECT_TRUE(tracker.changed());
  const auto entries = [&]() -> std::vector<std::pair<int, Millis>> {
    const auto records = tracker.records();
    EXPECT_EQ(records.size(), 1U) << "one for the ledger partition: deltas and signals have no outputs";
    LedgerRecord record;
    EXPECT_TRUE(record.ParseFromString(records.at(0).value));
    EXPECT_EQ(record.arrival_ms(), records.at(0).timestamp);
    std::vector<std::pair<int, Millis>> all;
    for (const auto& entry : record.progress().entries()) all.emplace_back(entry.source(), entry.arrival_ms());
    return all;
  };
  EXPECT_THAT(entries(), testing::ElementsAre(testing::Pair(0, 50), testing::Pair(3, 70)))
      << "orders 0 1, deliveries 0 1";
  EXPECT_FALSE(tracker.changed());
  tracker.remove({Topic::deliveries, 1});
  EXPECT_THAT(entries(), testing::ElementsAre(testing::Pair(0, 50)));
}

TEST(ProgressTracker, ARecordHasTheLastOutputsToItsPartition) {
  const auto definition = make_definition("Asia/Shanghai", {2, 2, 1});
  ProgressTracker tracker(definition);
  const auto outputs = [](Outputs::Acknowledged positions) {
    return std::make_shared<const Outputs::Acknowledged>(std::move(positions));
  };
  tracker.acknowledge({Topic::deliveries, 1}, 70,
                      outputs({{{Topic::ledger, 0}, {5, 0}}, {{Topic::ledger, 1}, {7, 1}}}));
  tracker.acknowledge({Topic::reference, 0}, 60, outputs({{{Topic::ledger, 1}, {3, 1}}, {{Topic::deltas, 0}, {3, 2}}}));
  const auto lines = [&] {
    std::vector<std::string> all;
    for (const auto& record : tracker.records()) {
      auto line = fmt::format("{}/{}", name_of(record.topic), record.partition);
      for (const auto& one : record.depends_on) line += fmt::format(" {}", to_text(one));
      all.push_back(line);
    }
    return all;
  };
  EXPECT_THAT(lines(),
              testing::UnorderedElementsAre("ledger/0 deliveries/1/5/0", "ledger/1 deliveries/1/7/1 reference/0/3/1",
                                            "deltas/0 reference/0/3/2"));
  EXPECT_FALSE(tracker.changed());
  tracker.acknowledge({Topic::deliveries, 1}, 70,
                      outputs({{{Topic::ledger, 0}, {5, 0}}, {{Topic::ledger, 1}, {7, 1}}}));
  EXPECT_FALSE(tracker.changed()) << "another commit without new outputs";
  tracker.acknowledge({Topic::deliveries, 1}, 70,
                      outputs({{{Topic::ledger, 0}, {8, 0}}, {{Topic::ledger, 1}, {7, 1}}}));
  EXPECT_TRUE(tracker.changed()) << "a new output at the same arrival";
}

}  // namespace
}  // namespace fiverate::test
