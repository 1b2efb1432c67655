// What happens to a record that would move the clock of its source partition far ahead: held, accepted, rejected, decided by a person.
#include "processors/runtime/jump_holds.h"

#include <gmock/gmock.h>

#include "processors/runtime/supervisor.h"
#include "processors/stages/intake.h"
#include "processors/stages/reference.h"
#include "schemas/decode.h"
#include "schemas/format.h"
#include "tests/runtime/memory_ports.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Input kOrdersInput{Topic::orders, 0};
const Input kDeliveriesInput{Topic::deliveries, 0};
const Input kCommandsInput{Topic::commands, 0};
const Millis kToday = noon(nth(0));
const Millis kFar = noon(nth(0)) + 365 * kDayMs;

class SourcePorts final : public MemoryPorts {
 public:
  using MemoryPorts::MemoryPorts;
  std::unique_ptr<Operator> make_operator(const Input& input) override {
    const IntakeSettings settings{test_definition()};
    if (input.topic == Topic::reference) return std::make_unique<Reference>(settings, 1 << 20);
    return std::make_unique<Intake>(settings);
  }
};

// A process that reads some of the source partitions of a market on marks.
class Reading {
 public:
  Reading(MemoryLog& log, std::vector<Input> inputs, std::shared_ptr<MemorySource::GroupOffsets> group)
      : ports_(log), group_(std::move(group)) {
    ports_.inputs = std::move(inputs);
    ports_.group = *group_;
    StageSettings settings;
    settings.stage = Stage::intake;
    settings.definition = test_definition();
    settings.worker = {0ms, 1h, 1'000'000};
    supervisor_ = std::make_unique<Supervisor>(
        settings, ports_, observer_, [this](Severity, const std::string& text) { reports.push_back(text); },
        [this] { return time_; });
  }

  // All groups of these tests are one, so each process gets what the others have committed.
  void work() {
    for (int round = 0; round < 20; ++round) {
      for (const auto& [input, committed] : *group_) ports_.group.insert_or_assign(input, committed);
      time_ += 100ms;
      const auto worked = supervisor_->round();
      ASSERT_TRUE(worked.has_value()) << worked.error().what;
      for (const auto& input : ports_.inputs) {
        if (const auto found = ports_.group.find(input); found != ports_.group.end())
          group_->insert_or_assign(input, found->second);
      }
    }
  }
  void commit() {
    ASSERT_TRUE(supervisor_->commit_all().has_value());
    for (const auto& input : ports_.inputs) {
      if (const auto found = ports_.group.find(input); found != ports_.group.end())
        group_->insert_or_assign(input, found->second);
    }
  }

  std::vector<std::string> reports;

 private:
  SourcePorts ports_;
  std::shared_ptr<MemorySource::GroupOffsets> group_;
  StageObserver observer_;
  std::chrono::steady_clock::time_point time_{1h};
  std::unique_ptr<Supervisor> supervisor_;
};

class JumpHoldsTest : public testing::Test {
 protected:
  void append(const Input& input, const Event& event, Millis timestamp) {
    log.append({input.topic, input.partition, timestamp, "", event.SerializeAsString(), std::nullopt, std::nullopt});
  }
  void append_marks(Millis complete_through) {
    for (const auto& input : source_inputs(test_definition())) append(input, mark(complete_through), complete_through);
  }
  void deliver(const std::string& id, Millis time) {
    append(kDeliveriesInput, delivery(id, "shop", time, {{"s1", 5}}), time);
  }
  void rule(Command::Verb verb, const std::string& held) {
    Event event;
    event.set_event_id("c-" + held);
    set_millis(*event.mutable_event_time(), kToday);
    event.mutable_command()->set_command_id("c-" + held);
    event.mutable_command()->set_author("someone");
    event.mutable_command()->set_verb(verb);
    event.mutable_command()->set_held(held);
    append(kCommandsInput, event, kToday);
  }
  // The documents in the ledger, as "id arrival", and the rejected records, as "reason offset".
  std::vector<std::string> documents() {
    std::vector<std::string> found;
    for (std::int32_t partition = 0; partition < 2; ++partition) {
      for (const auto& record : read({Topic::ledger, partition})) {
        LedgerRecord body;
        EXPECT_TRUE(body.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())));
        if (body.has_event())
          found.push_back(fmt::format("{} {}", body.event().event_id(), body.arrival_ms() - kToday));
      }
    }
    return found;
  }
  std::vector<std::string> rejected() {
    std::vector<std::string> found;
    for (std::int32_t partition = 0; partition < 2; ++partition) {
      for (const auto& record : read({Topic::quarantine, partition})) {
        Quarantined body;
        EXPECT_TRUE(body.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())));
        found.push_back(fmt::format("{} {}", body.reason(), body.offset()));
      }
    }
    return found;
  }
  std::vector<InRecord> read(const Input& input) {
    std::vector<InRecord> records;
    log.read(input, 0, 1'000'000, 0ms, records);
    return records;
  }
  std::unique_ptr<Reading> process() { return process(source_inputs(test_definition())); }
  std::unique_ptr<Reading> process(std::vector<Input> inputs) {
    return std::make_unique<Reading>(log, std::move(inputs), group);
  }

  MemoryLog log;
  std::shared_ptr<MemorySource::GroupOffsets> group = std::make_shared<MemorySource::GroupOffsets>();
};

TEST_F(JumpHoldsTest, AMarketThatBeginsIsNotHeld) {
  append_marks(kToday);
  deliver("D1", kToday + 1);
  const auto reading = process();
  reading->work();
  EXPECT_EQ(documents().size(), 1U);
  EXPECT_THAT(reading->reports, Not(testing::Contains(HasSubstr("is held"))));
}

TEST_F(JumpHoldsTest, TheFirstRecordOfAMarketIsNotHeld) {
  deliver("D1", kToday);
  process()->work();
  EXPECT_EQ(documents().size(), 1U) << "although no other partition has a record";
}

TEST_F(JumpHoldsTest, APartitionThatContinuesWithEarlierRecordsRejectsTheJumpsBeforeThem) {
  append_marks(kToday);
  deliver("D1", kToday + 1);
  const auto reading = process();
  reading->work();
  deliver("far", kFar);
  append(kDeliveriesInput, mark(kFar), kToday + 2);
  reading->work();
  EXPECT_EQ(documents().size(), 1U) << "the partition waits";
  EXPECT_THAT(reading->reports, testing::Contains(HasSubstr("quarantine accept deliveries/0/2")));
  deliver("D2", kToday + 3);
  reading->work();
  EXPECT_THAT(rejected(), testing::UnorderedElementsAre("future 2", "future 3"));
  EXPECT_THAT(documents(), testing::UnorderedElementsAre(HasSubstr(" 1"), HasSubstr(" 3")));
}

// Rule R16 is evaluated from these reports.
TEST_F(JumpHoldsTest, AHeldRecordAndItsDecisionAreReportedToTheLedger) {
  const auto holds = [this] {
    std::vector<std::string> found;
    for (const auto& record : read({Topic::ledger, 0})) {
      LedgerRecord body;
      EXPECT_TRUE(body.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())));
      for (const auto& hold : body.progress().holds()) {
        if (hold.source() != 1) continue;
        auto text = hold.has_held_offset() ? fmt::format("{} held", hold.held_offset())
                                           : fmt::format("decided until {}", hold.decided_until());
        if (found.empty() || found.back() != text) found.push_back(std::move(text));
      }
    }
    return found;
  };
  append_marks(kToday);
  auto reading = process();
  reading->work();
  deliver("far", kFar);
  for (int i = 0; i < 4; ++i) reading->work();
  EXPECT_THAT(holds(), ElementsAre("decided until 1", "1 held")) << "the first record of each partition is a jump, too";
  reading = process();  // after a crash
  for (int i = 0; i < 4; ++i) reading->work();
  EXPECT_THAT(holds(), ElementsAre("decided until 1", "1 held", "decided until 1", "1 held"));
  rule(Command::ACCEPT_HELD, "deliveries/0/1");
  for (int i = 0; i < 2; ++i) reading->work();
  EXPECT_EQ(holds().back(), "decided until 2");
}

TEST_F(JumpHoldsTest, AJumpIsAcceptedWhenAnotherPartitionMakesItToo) {
  append_marks(kToday);
  const auto reading = process();
  reading->work();
  deliver("D1", kFar);
  reading->work();
  EXPECT_THAT(documents(), IsEmpty());
  append(kOrdersInput, mark(kFar + kDayMs), kFar + kDayMs);
  reading->work();
  EXPECT_THAT(documents(), ElementsAre(HasSubstr(std::to_string(kFar - kToday))));
  EXPECT_THAT(rejected(), IsEmpty());
}

TEST_F(JumpHoldsTest, APersonDecides) {
  for (const auto verb : {Command::ACCEPT_HELD, Command::REJECT_HELD}) {
    SCOPED_TRACE(Command::Verb_Name(verb));
    const auto before = log.end_offset(kDeliveriesInput);
    if (before == 0) append_marks(kToday);
    const auto offset = log.end_offset(kDeliveriesInput);
    const auto reading = process();
    const auto far = before == 0 ? kFar : kFar + 365 * kDayMs;
    deliver("far", far);
    reading->work();
    rule(verb, fmt::format("deliveries/0/{}", offset));
    reading->work();
    reading->commit();
    EXPECT_EQ(documents().size(), 1U);
    EXPECT_EQ(rejected().size(), verb == Command::ACCEPT_HELD ? 0U : 1U);
  }
}

TEST_F(JumpHoldsTest, ADecisionIsRememberedAcrossARestart) {
  append_marks(kToday);
  deliver("far", kFar);
  deliver("D1", kToday + 1);
  process()->work();  // ends without a commit of what came after the decision
  const auto first = rejected();
  EXPECT_THAT(first, ElementsAre("future 1"));
  // Now the others have come as far, so that the same record would be accepted.
  append(kOrdersInput, mark(kFar), kFar);
  append({Topic::visits, 0}, mark(kFar), kFar);
  const auto reading = process();
  reading->work();
  for (const auto& record : rejected()) EXPECT_EQ(record, "future 1");
  for (const auto& document : documents()) EXPECT_THAT(document, HasSubstr(" 1"));
}

TEST_F(JumpHoldsTest, OtherProcessesSeeEachOthersClocksAndHeldRecords) {
  append_marks(kToday);
  std::vector<Input> others;
  for (const auto& input : source_inputs(test_definition())) {
    if (input != kDeliveriesInput) others.push_back(input);
  }
  const auto first = process({kDeliveriesInput});
  const auto second = process(others);
  for (int i = 0; i < 3; ++i) {
    first->work();
    second->work();
  }
  first->commit();
  second->commit();
  deliver("D1", kFar);
  append(kOrdersInput, mark(kFar), kFar);
  for (int i = 0; i < 3; ++i) {
    first->work();
    second->work();
    second->commit();
  }
  EXPECT_EQ(documents().size(), 1U) << "the other process accepted its jump, since this one held one as far";
  EXPECT_THAT(rejected(), IsEmpty());
}

TEST_F(JumpHoldsTest, AHeldPartitionIsPausedOnceManyRecordsWait) {
  append_marks(kToday);
  const auto reading = process();
  reading->work();
  for (std::size_t i = 0; i < JumpHolds::kRecordsMax * 2; ++i) deliver(fmt::format("far{}", i), kFar);
  reading->work();
  EXPECT_THAT(documents(), IsEmpty());
  deliver("D1", kToday + 1);
  reading->work();
  EXPECT_EQ(rejected().size(), JumpHolds::kRecordsMax * 2) << "with one decision";
  EXPECT_EQ(documents().size(), 1U);
}

}  // namespace
}  // namespace fiverate::test
