// What a task promises: it drops repetitions, applies nothing behind a sequence gap, stops when a sender was not deterministic, refuses the
// store of another task, and replays its state alone up to its checkpoint.
#include "processors/stream/task.h"

#include <gtest/gtest.h>

#include "schemas/format.h"
#include "tests/stream/fake_operator.h"
#include "tests/support/log_checkpoints.h"
#include "tests/support/memory_sink.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;

const Input kTaskLedger{Topic::ledger, 0};
const Input kTaskDeltas{Topic::deltas, 0};

std::vector<InRecord> read(MemoryLog& log, const Input& input, std::int64_t offset = 0) {
  std::vector<InRecord> records;
  log.read(input, offset, 1000, 0ms, records);
  return records;
}

// A task with an Adder. A test destroys it to simulate a crash; the content of its store and the log remain.
struct Process {
  Process(MemoryLog& log, std::string stage, Input from, std::shared_ptr<MemoryStore::Content> content,
          std::string definition = "d1")
      : store(std::move(content)), sink(log), task(std::move(stage), from, std::move(definition), adder, store, sink) {}

  Result<void> process(const std::vector<InRecord>& records) {
    for (const auto& record : records) TRY(task.process(record));
    return {};
  }
  // Writes the state, and the checkpoint unless outputs are suppressed.
  Result<void> commit() {
    TRY(task.save());
    if (task.is_suppressed()) return {};
    TRY_VALUE(checkpoint, task.checkpoint());
    return sink.send(std::move(checkpoint));
  }

  Adder adder;
  MemoryStore store;
  MemorySink sink;
  Task task;
};

class TaskTest : public testing::Test {
 protected:
  void append(const std::string& value) { log.append({Topic::ledger, 0, 5, "", value, std::nullopt, std::nullopt}); }
  std::vector<std::string> values_of(const Input& input) {
    std::vector<std::string> values;
    for (const auto& record : read(log, input)) values.emplace_back(record.value);
    return values;
  }

  MemoryLog log;
  std::shared_ptr<MemoryStore::Content> content = std::make_shared<MemoryStore::Content>();
};

using Values = std::vector<std::string>;
using Missing = std::vector<MissingRange>;

// ---- outputs ---------------------------------------------------------------------------------------------------

TEST_F(TaskTest, EveryOutputCarriesItsCauseAndItsLinkToTheOneBefore) {
  append("2");
  append("1");
  append("1");
  Process one(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(one.process(read(log, kTaskLedger)).has_value());
  const auto sent = read(log, {Topic::deltas, 1});
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(to_text(*sent[0].cause), "outlet/0/0/1");
  EXPECT_EQ(to_text(sent[0].link->previous), "-");
  EXPECT_EQ(to_text(*sent[1].cause), "outlet/0/2/1");
  EXPECT_EQ(to_text(sent[1].link->previous), "0/1") << "records to the other partition do not belong to this chain";
  EXPECT_EQ(sent[1].link->chain, chained(0, "", "2"));
  const auto results = read(log, {Topic::metrics_final, 0});
  EXPECT_FALSE(results[0].link.has_value());
}

// ---- input from other tasks -----------------------------------------------------------------------------------------------

class Receiver : public TaskTest {
 protected:
  Receiver() {
    for (const auto* value : {"2", "4", "6", "8"}) append(value);
    Process sender(log, "outlet", kTaskLedger, content);
    EXPECT_TRUE(sender.process(read(log, kTaskLedger)).has_value());
    sent = read(log, kTaskDeltas);  // 2 6 12 20
  }
  // A copy of a sent record at the next offset of the receiver's input.
  InRecord next_record(std::size_t which) {
    auto record = sent[which];
    record.offset = next++;
    return record;
  }
  Result<void> receive(std::initializer_list<std::size_t> which) {
    for (const auto one : which) TRY(market.task.process(next_record(one)));
    return {};
  }

  std::vector<InRecord> sent;
  std::int64_t next = 0;
  std::shared_ptr<MemoryStore::Content> market_content = std::make_shared<MemoryStore::Content>();
  Process market{log, "market", kTaskDeltas, market_content};
};

TEST_F(Receiver, DropsRepetitions) {
  ASSERT_TRUE(receive({0, 1, 0, 1, 2, 2, 3}).has_value());
  EXPECT_EQ(market.adder.applied, (Values{"2", "6", "12", "20"}));
  EXPECT_EQ(market.task.counters().repetitions, 3);
  EXPECT_EQ(market.task.counters().sequence_gaps, 0);
}

TEST_F(Receiver, AppliesNothingBehindASequenceGapUntilItIsFilled) {
  ASSERT_TRUE(receive({0, 2, 3}).has_value());
  EXPECT_EQ(market.adder.applied, (Values{"2"}));
  EXPECT_EQ(market.task.counters().sequence_gaps, 2);
  EXPECT_EQ(market.task.missing(), (Missing{{"outlet/0", 0, 2}}));
  ASSERT_TRUE(receive({0, 1, 2, 3}).has_value());
  EXPECT_TRUE(market.task.missing().empty());
  EXPECT_EQ(market.adder.applied, (Values{"2", "6", "12", "20"}));
  EXPECT_EQ(market.task.counters().repetitions, 1);
}

TEST_F(Receiver, RemembersItsSendersOverARestart) {
  ASSERT_TRUE(receive({0, 1}).has_value());
  ASSERT_TRUE(market.commit().has_value());
  Process restarted(log, "market", kTaskDeltas, market_content);
  ASSERT_TRUE(restarted.task.restore().has_value());
  ASSERT_EQ(restarted.task.next_offset(), 2);
  ASSERT_TRUE(restarted.task.process(sent[1]).has_value()) << "the previous record is read again and verified";
  for (const auto which : {1, 2})
    ASSERT_TRUE(restarted.task.process(next_record(static_cast<std::size_t>(which))).has_value());
  EXPECT_EQ(restarted.adder.applied, (Values{"12"}));
}

TEST_F(Receiver, StopsAtTheNextNewRecordWhenTheSenderDidNotRepeatItself) {
  ASSERT_TRUE(receive({0, 1}).has_value());
  // The sender starts again without a state, and computes other sums this time.
  MemoryLog other_log;
  Process other(other_log, "outlet", kTaskLedger, std::make_shared<MemoryStore::Content>());
  other.adder.error = 1;
  ASSERT_TRUE(other.process(read(log, kTaskLedger)).has_value());
  const auto different = read(other_log, kTaskDeltas);
  for (std::size_t i = 0; i < 3; ++i) {
    auto record = different[i];
    record.offset = next++;
    const auto processed = market.task.process(record);
    EXPECT_EQ(processed.has_value(), i < 2) << i << ": the values of repetitions are not compared";
    if (i == 2) {
      EXPECT_EQ(processed.error().reaction, Reaction::stop);
    }
  }
  EXPECT_EQ(market.adder.applied, (Values{"2", "6"})) << "nothing was applied";
}

TEST_F(Receiver, KeepsThePositionOfEachSender) {
  ASSERT_TRUE(receive({0}).has_value());
  auto other = next_record(0);
  other.cause->sender = "outlet/1";
  ASSERT_TRUE(market.task.process(other).has_value());
  EXPECT_EQ(market.adder.applied.size(), 2U);
}

TEST_F(Receiver, NoticesASequenceGapByTheDependenciesOfAProgressRecord) {
  const auto progress = [&](const std::vector<Cause>& depends_on) {
    InRecord record{kTaskDeltas, next++, 5, "", "0", std::nullopt, std::nullopt, false, sent[0].owner, depends_on};
    EXPECT_TRUE(market.task.process(record).has_value());
  };
  ASSERT_TRUE(receive({0, 1}).has_value());
  progress({*sent[1].cause});
  EXPECT_EQ(market.adder.applied, (Values{"2", "6", "0"}));
  progress({*sent[0].cause, Cause{"outlet/7", {4, 0}}});
  EXPECT_EQ(market.adder.applied.size(), 3U) << "no record of outlet/7 has arrived";
  EXPECT_EQ(market.task.counters().sequence_gaps, 1);
  EXPECT_EQ(market.task.missing(), (Missing{{"outlet/7", 0, 4}}));
  progress({*sent[2].cause});
  EXPECT_EQ(market.adder.applied.size(), 3U);
  EXPECT_EQ(market.task.missing(), (Missing{{"outlet/0", 1, 2}, {"outlet/7", 0, 4}}));
  ASSERT_TRUE(receive({2}).has_value());
  EXPECT_EQ(market.task.missing(), (Missing{{"outlet/7", 0, 4}}));
  progress({*sent[2].cause});
  EXPECT_EQ(market.adder.applied, (Values{"2", "6", "0", "12", "0"}));
}

TEST_F(Receiver, AppliesNoRecordBeforeItsDependencies) {
  auto record = next_record(0);
  record.depends_on = {Cause{"reference/0", {3, 0}}};
  ASSERT_TRUE(market.task.process(record).has_value());
  ASSERT_TRUE(receive({1}).has_value());
  EXPECT_TRUE(market.adder.applied.empty()) << "nor the records behind it";
  EXPECT_EQ(market.task.counters().sequence_gaps, 2);
  auto copy = next_record(0);
  copy.link = Link{{-1, 0}, 0};
  copy.cause = Cause{"reference/0", {3, 5}};
  ASSERT_TRUE(market.task.process(copy).has_value());
  record.offset = next++;
  ASSERT_TRUE(market.task.process(record).has_value());
  EXPECT_EQ(market.adder.applied, (Values{"2", "2"}));
}

TEST_F(TaskTest, AcknowledgedPositionsAreThoseOfTheLastCommit) {
  append("2");
  append("1");
  Process one(log, "outlet", kTaskLedger, content);
  const auto records = read(log, kTaskLedger);
  ASSERT_TRUE(one.process({records[0]}).has_value());
  EXPECT_TRUE(one.task.acknowledged()->empty());
  ASSERT_TRUE(one.commit().has_value());
  const Outputs::Acknowledged after_first{{kTaskDeltas, {0, 0}}, {{Topic::deltas, 1}, {0, 1}}};
  EXPECT_EQ(*one.task.acknowledged(), after_first);
  ASSERT_TRUE(one.process({records[1]}).has_value());
  EXPECT_EQ(*one.task.acknowledged(), after_first);
  Process restarted(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(restarted.task.restore().has_value());
  EXPECT_EQ(*restarted.task.acknowledged(), after_first);
}

// ---- foreign records -----------------------------------------------------------------------------------------------------

TEST_F(TaskTest, SkipsForeignRecordsAndCountsThemInItsState) {
  for (const auto* value : {"1", "?a", "2", "?b", "?c", "3"}) append(value);
  const auto records = read(log, kTaskLedger);
  {
    Process first(log, "outlet", kTaskLedger, content);
    ASSERT_TRUE(first.process({records[0], records[1], records[2], records[3]}).has_value());
    EXPECT_EQ(first.adder.applied, (Values{"1", "2"}));
    ASSERT_TRUE(first.commit().has_value());
    EXPECT_EQ(parse_checkpoint(read(log, kCheckpointsPartition).back())->foreign().count(), 2);
  }
  Process second(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(second.task.restore().has_value());
  EXPECT_EQ(second.task.next_offset(), 4);
  ASSERT_TRUE(second.process({records[3], records[4], records[5]}).has_value()) << "the last record before is foreign";
  EXPECT_EQ(second.adder.applied, (Values{"3"}));
  EXPECT_EQ(second.task.counters().foreign, 1) << "since it was opened";
  EXPECT_EQ(second.task.foreign().count(), 3);
  EXPECT_EQ(second.task.foreign().last_offset(), 4);
  EXPECT_EQ(second.task.foreign().last_reason(), "it is ?c");
  EXPECT_EQ(values_of(kTaskDeltas), (Values{"1", "3", "6"}));
}

// The reason may quote a header of any bytes, and the state has to be read again.
TEST_F(TaskTest, TheReasonThatIsKeptIsShortText) {
  append("?\xff\x1b" + std::string(100'000, 'x'));
  Process first(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(first.process(read(log, kTaskLedger)).has_value());
  ASSERT_TRUE(first.commit().has_value());
  Process second(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(second.task.restore().has_value());
  EXPECT_TRUE(second.task.foreign().last_reason().starts_with("it is ?\ufffd\\u001bxxx"));
  EXPECT_LT(second.task.foreign().last_reason().size(), 300U);
  EXPECT_TRUE(parse_checkpoint(read(log, kCheckpointsPartition).back()).has_value());
}

// The causes of its outputs name later offsets. All else is as without the foreign records.
TEST_F(TaskTest, AForeignRecordChangesNoOutputButItsCause) {
  for (const auto* value : {"?", "1", "?", "2", "?"}) append(value);
  Process with(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(with.process(read(log, kTaskLedger)).has_value());
  MemoryLog clean_log;
  for (const auto* value : {"1", "2"}) clean_log.append({Topic::ledger, 0, 5, "", value, std::nullopt, std::nullopt});
  Process without(clean_log, "outlet", kTaskLedger, std::make_shared<MemoryStore::Content>());
  ASSERT_TRUE(without.process(read(clean_log, kTaskLedger)).has_value());
  const auto found = read(log, kTaskDeltas);
  const auto expected = read(clean_log, kTaskDeltas);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].value, expected[i].value);
    EXPECT_EQ(found[i].link->chain, expected[i].link->chain);
  }
}

// The log that it read has the foreign record: another one in its place is another log.
TEST_F(TaskTest, AForeignRecordIsPartOfTheLogThatWasRead) {
  append("1");
  append("?a");
  Process first(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(first.process(read(log, kTaskLedger)).has_value());
  ASSERT_TRUE(first.commit().has_value());
  MemoryLog other;
  other.append({Topic::ledger, 0, 5, "", "1", std::nullopt, std::nullopt});
  other.append({Topic::ledger, 0, 5, "", "?b", std::nullopt, std::nullopt});
  Process second(other, "outlet", kTaskLedger, content);
  ASSERT_TRUE(second.task.restore().has_value());
  EXPECT_FALSE(second.process(read(other, kTaskLedger, 1)).has_value());
}

TEST_F(TaskTest, AStateOnlyReplaySkipsTheSameRecords) {
  for (const auto* value : {"1", "?a", "2", "?b"}) append(value);
  const auto records = read(log, kTaskLedger);
  Process owner(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(owner.process(records).has_value());
  ASSERT_TRUE(owner.commit().has_value());
  Process rebuilt(log, "outlet", kTaskLedger, std::make_shared<MemoryStore::Content>());
  rebuilt.task.resume_from(*parse_checkpoint(read(log, kCheckpointsPartition).back()));
  ASSERT_TRUE(rebuilt.process(records).has_value());
  EXPECT_EQ(rebuilt.adder.computed, 0);
  EXPECT_EQ(rebuilt.task.foreign().SerializeAsString(), owner.task.foreign().SerializeAsString());
}

// ---- restart --------------------------------------------------------------------------------------------------------

TEST_F(TaskTest, ARestartedTaskSendsTheSameOutputsAgain) {
  for (const auto* value : {"1", "2", "3", "4"}) append(value);
  {
    Process first(log, "outlet", kTaskLedger, content);
    const auto records = read(log, kTaskLedger);
    ASSERT_TRUE(first.process({records[0], records[1]}).has_value());
    ASSERT_TRUE(first.commit().has_value());
    ASSERT_TRUE(first.process({records[2], records[3]}).has_value());
  }  // a crash: the task has applied two records since the commit
  Process second(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(second.task.restore().has_value());
  ASSERT_TRUE(second.process(read(log, kTaskLedger, 1)).has_value());
  EXPECT_EQ(second.adder.applied, (Values{"3", "4"}));
  const auto sent = read(log, kTaskDeltas);
  ASSERT_EQ(sent.size(), 6U);
  for (const auto i : {2U, 3U}) {
    EXPECT_EQ(sent[i].value, sent[i + 2].value);
    EXPECT_EQ(to_text(*sent[i].cause), to_text(*sent[i + 2].cause));
    EXPECT_EQ(sent[i].link->chain, sent[i + 2].link->chain);
  }
}

TEST_F(TaskTest, StopsWhenTheLogHoldsAnotherRecordThanTheTaskHadRead) {
  append("1");
  Process first(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(first.process(read(log, kTaskLedger)).has_value());
  ASSERT_TRUE(first.commit().has_value());
  for (const auto& [timestamp, value] : std::vector<std::pair<Millis, std::string>>{{5, "9"}, {6, "1"}}) {
    MemoryLog new_log;
    new_log.append({Topic::ledger, 0, timestamp, "", value, std::nullopt, std::nullopt});
    Process second(new_log, "outlet", kTaskLedger, content);
    ASSERT_TRUE(second.task.restore().has_value());
    const auto processed = second.process(read(new_log, kTaskLedger));
    ASSERT_FALSE(processed.has_value()) << value;
    EXPECT_EQ(processed.error().reaction, Reaction::stop);
  }
}

TEST_F(TaskTest, ACommitWithoutNewRecordsKeepsTheFingerprint) {
  append("1");
  Process first(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(first.process(read(log, kTaskLedger)).has_value());
  ASSERT_TRUE(first.commit().has_value());
  Process second(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(second.task.restore().has_value());
  ASSERT_TRUE(second.process(read(log, kTaskLedger)).has_value());
  ASSERT_TRUE(second.commit().has_value());
  Process third(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(third.task.restore().has_value());
  EXPECT_TRUE(third.process(read(log, kTaskLedger)).has_value());
}

TEST_F(TaskTest, RefusesTheStoreOfAnotherTaskOrDefinition) {
  append("1");
  Process first(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(first.process(read(log, kTaskLedger)).has_value());
  ASSERT_TRUE(first.commit().has_value());
  Process other_task(log, "outlet", {Topic::ledger, 1}, content);
  EXPECT_EQ(other_task.task.restore().error().reaction, Reaction::stop);
  Process other_stage(log, "market", kTaskLedger, content);
  EXPECT_EQ(other_stage.task.restore().error().reaction, Reaction::stop);
  Process other_definition(log, "outlet", kTaskLedger, content, "d2");
  EXPECT_EQ(other_definition.task.restore().error().reaction, Reaction::stop);
  Process same(log, "outlet", kTaskLedger, content);
  EXPECT_TRUE(same.task.restore().has_value());
}

TEST_F(TaskTest, RefusesADamagedState) {
  (*content)["task"] = "\xff\xff";
  Process one(log, "outlet", kTaskLedger, content);
  EXPECT_EQ(one.task.restore().error().reaction, Reaction::stop);
}

// ---- checkpoints ----------------------------------------------------------------------------------------------------

std::string line_of(const InRecord& record) {
  return fmt::format("{} {} {:x} {}", to_text(*record.cause), to_text(record.link->previous), record.link->chain,
                     record.value);
}

class CheckpointTest : public TaskTest {
 protected:
  // The owner writes a checkpoint after three of five records, and publishes the outputs of all five.
  CheckpointTest() {
    for (const auto* value : {"1", "2", "3", "4", "5"}) append(value);
    records = read(log, kTaskLedger);
    Process owner(log, "outlet", kTaskLedger, content);
    EXPECT_TRUE(owner.process({records[0], records[1], records[2]}).has_value());
    checkpoint = commit(owner);
    EXPECT_TRUE(owner.process({records[3], records[4]}).has_value());
    EXPECT_TRUE(owner.commit().has_value());
    for (const auto& record : read(log, kTaskDeltas)) published.push_back(line_of(record));
    results = values_of({Topic::metrics_final, 0}).size();
  }
  Checkpoint commit(Process& process) {
    EXPECT_TRUE(process.commit().has_value());
    return *parse_checkpoint(read(log, kCheckpointsPartition).back());
  }
  // The deltas that were published after the owner's.
  Values published_again() {
    Values lines;
    for (const auto& record : read(log, kTaskDeltas, static_cast<std::int64_t>(published.size())))
      lines.push_back(line_of(record));
    return lines;
  }
  Values published_from(std::size_t index) const {
    return {published.begin() + static_cast<std::ptrdiff_t>(index), published.end()};
  }
  TaskState saved_state() {
    TaskState state;
    EXPECT_TRUE(state.ParseFromString(lost->at(std::string(kTaskKey))));
    return state;
  }

  std::vector<InRecord> records;
  Checkpoint checkpoint;
  Values published;
  std::size_t results = 0;
  std::shared_ptr<MemoryStore::Content> lost = std::make_shared<MemoryStore::Content>();
};

TEST_F(CheckpointTest, ATaskThatLostItsStateReplaysTheStateAloneAndContinuesWithIdenticalOutputs) {
  Process rebuilt(log, "outlet", kTaskLedger, lost);
  rebuilt.task.resume_from(checkpoint);
  EXPECT_TRUE(rebuilt.task.is_suppressed());
  ASSERT_TRUE(rebuilt.process({records[0], records[1]}).has_value());
  EXPECT_EQ(rebuilt.adder.computed, 0);
  ASSERT_TRUE(rebuilt.process({records[2]}).has_value());
  EXPECT_FALSE(rebuilt.task.is_suppressed());
  EXPECT_EQ(rebuilt.adder.tally(), 3) << "the checkpoint's";
  EXPECT_TRUE(published_again().empty());
  ASSERT_TRUE(rebuilt.process({records[3], records[4]}).has_value());
  EXPECT_EQ(rebuilt.adder.tally(), 5);
  EXPECT_EQ(published_again(), published_from(3));
  EXPECT_EQ(values_of({Topic::metrics_final, 0}).size(), results + 2);
}

TEST_F(CheckpointTest, WithoutAResumePointItComputesTheOutputsAndSuppressesThem) {
  checkpoint.clear_resume();
  Process rebuilt(log, "outlet", kTaskLedger, lost);
  rebuilt.task.resume_from(checkpoint);
  ASSERT_TRUE(rebuilt.process({records[0], records[1], records[2]}).has_value());
  EXPECT_EQ(rebuilt.adder.computed, 3);
  EXPECT_TRUE(published_again().empty());
  EXPECT_FALSE(rebuilt.task.is_suppressed());
  ASSERT_TRUE(rebuilt.process({records[3], records[4]}).has_value());
  EXPECT_EQ(published_again(), published_from(3));
}

TEST_F(CheckpointTest, FromOutputsFromOnTheOperatorComputesOutputsThatAreNotPublished) {
  checkpoint.mutable_resume()->set_outputs_from(1);
  Process rebuilt(log, "outlet", kTaskLedger, lost);
  rebuilt.task.resume_from(checkpoint);
  ASSERT_TRUE(rebuilt.process({records[0], records[1]}).has_value());
  EXPECT_EQ(rebuilt.adder.computed, 1) << "of the second record";
  ASSERT_TRUE(rebuilt.process({records[2]}).has_value());
  EXPECT_TRUE(published_again().empty());
  EXPECT_EQ(rebuilt.adder.tally(), 3) << "the checkpoint's";
  ASSERT_TRUE(rebuilt.process({records[3], records[4]}).has_value());
  EXPECT_EQ(published_again(), published_from(3));
}

TEST_F(CheckpointTest, ACrashInsideAStateOnlyReplayIsContinued) {
  {
    Process rebuilt(log, "outlet", kTaskLedger, lost);
    rebuilt.task.resume_from(checkpoint);
    ASSERT_TRUE(rebuilt.process({records[0]}).has_value());
    ASSERT_TRUE(rebuilt.commit().has_value());
  }
  const auto state = saved_state();
  EXPECT_FALSE(state.has_outputs());
  EXPECT_TRUE(is_usable(state, checkpoint));
  EXPECT_FALSE(is_usable(state, std::nullopt)) << "without a checkpoint its output chains are unknown";
  Process again(log, "outlet", kTaskLedger, lost);
  ASSERT_TRUE(again.task.restore().has_value());
  again.task.resume_from(checkpoint);
  ASSERT_TRUE(again.process(records).has_value());
  EXPECT_EQ(again.adder.applied.size(), 4U);
  EXPECT_EQ(published_again(), published_from(3));
  EXPECT_EQ(again.adder.tally(), 5);
}

// A reset may choose an earlier checkpoint than the one that an interrupted replay was on its way to.
TEST_F(CheckpointTest, AnInterruptedStateOnlyReplayAtTheCheckpointItselfIsNotUsable) {
  {
    auto later = checkpoint;
    later.set_offset(5);
    Process rebuilt(log, "outlet", kTaskLedger, lost);
    rebuilt.task.resume_from(later);
    ASSERT_TRUE(rebuilt.process({records[0], records[1], records[2]}).has_value());
    ASSERT_TRUE(rebuilt.commit().has_value());
  }
  ASSERT_EQ(saved_state().next_offset(), checkpoint.offset());
  checkpoint.set_reset_epoch(1);
  EXPECT_FALSE(is_usable(saved_state(), checkpoint)) << "nothing would install the checkpoint's output chains";
}

TEST_F(CheckpointTest, AReplayFollowsTheNewestCheckpointUntilOneIsReached) {
  Process other(log, "outlet", kTaskLedger, std::make_shared<MemoryStore::Content>());
  ASSERT_TRUE(other.process({records[0]}).has_value());
  const auto earlier = commit(other);
  const auto before = read(log, kTaskDeltas).size();
  Process rebuilt(log, "outlet", kTaskLedger, lost);
  rebuilt.task.follow(earlier);
  rebuilt.task.follow(checkpoint);
  rebuilt.task.resume_from(earlier);
  ASSERT_TRUE(rebuilt.process({records[0], records[1]}).has_value());
  EXPECT_TRUE(rebuilt.task.is_suppressed());
  ASSERT_TRUE(rebuilt.process({records[2], records[3], records[4]}).has_value());
  Values again;
  for (const auto& record : read(log, kTaskDeltas, static_cast<std::int64_t>(before))) again.push_back(line_of(record));
  EXPECT_EQ(again, published_from(3));
}

TEST_F(CheckpointTest, AfterAResetItPublishesFromEmitFromOnIdentically) {
  checkpoint.set_reset_epoch(1);
  checkpoint.set_emit_from(4);
  for (const bool has_resume : {true, false}) {
    SCOPED_TRACE(has_resume);
    const auto before = read(log, kTaskDeltas).size();
    if (!has_resume) checkpoint.clear_resume();
    Process rebuilt(log, "outlet", kTaskLedger, std::make_shared<MemoryStore::Content>());
    rebuilt.task.resume_from(checkpoint);
    ASSERT_TRUE(rebuilt.process({records[0], records[1], records[2], records[3]}).has_value());
    EXPECT_EQ(read(log, kTaskDeltas).size(), before);
    EXPECT_FALSE(rebuilt.task.is_suppressed());
    ASSERT_TRUE(rebuilt.process({records[4]}).has_value());
    const auto again = read(log, kTaskDeltas, static_cast<std::int64_t>(before));
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(line_of(again[0]), published[4]);
    const auto next = commit(rebuilt);
    EXPECT_EQ(next.reset_epoch(), 1);
    EXPECT_EQ(next.emit_from(), 0);
    EXPECT_EQ(next.offset(), 5);
  }
}

TEST_F(CheckpointTest, AfterAResetAStateBeforeEmitFromPublishesNothingBeforeIt) {
  {
    Process partial(log, "outlet", kTaskLedger, lost);
    partial.task.suppress_outputs();
    ASSERT_TRUE(partial.process({records[0], records[1], records[2], records[3]}).has_value());
    ASSERT_TRUE(partial.commit().has_value());
  }
  append("6");
  checkpoint.set_reset_epoch(1);
  checkpoint.set_emit_from(5);
  ASSERT_TRUE(is_usable(saved_state(), checkpoint));
  Process again(log, "outlet", kTaskLedger, lost);
  ASSERT_TRUE(again.task.restore().has_value());
  again.task.resume_from(checkpoint);
  ASSERT_TRUE(again.process({records[4]}).has_value());
  EXPECT_TRUE(published_again().empty());
  ASSERT_TRUE(again.process({read(log, kTaskLedger)[5]}).has_value());
  EXPECT_EQ(published_again().size(), 1U);
}

TEST_F(CheckpointTest, AnotherLogThanTheCheckpointsStops) {
  // A different record directly before the checkpoint, and one that is long past: the chain of all records read differs.
  for (const std::size_t different : {2U, 1U}) {
    for (const bool has_resume : {true, false}) {
      SCOPED_TRACE(fmt::format("record {}, resume point {}", different, has_resume));
      MemoryLog other;
      for (std::size_t i = 0; i < 5; ++i) {
        other.append(
            {Topic::ledger, 0, 5, "", i == different ? "9" : std::to_string(i + 1), std::nullopt, std::nullopt});
      }
      auto from = checkpoint;
      if (!has_resume) from.clear_resume();
      Process rebuilt(other, "outlet", kTaskLedger, std::make_shared<MemoryStore::Content>());
      rebuilt.task.resume_from(from);
      const auto done = rebuilt.process(read(other, kTaskLedger));
      ASSERT_FALSE(done.has_value());
      EXPECT_EQ(done.error().reaction, Reaction::stop);
      EXPECT_TRUE(read(other, kTaskDeltas).empty());
    }
  }
}

TEST_F(CheckpointTest, ADamagedCheckpointStops) {
  checkpoint.mutable_resume()->mutable_outputs()->add_topics(1);
  Process rebuilt(log, "outlet", kTaskLedger, lost);
  rebuilt.task.resume_from(checkpoint);
  const auto done = rebuilt.process(records);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().reaction, Reaction::stop);
  EXPECT_NE(done.error().what.find("damaged"), std::string::npos);
  EXPECT_TRUE(published_again().empty());
}

TEST_F(CheckpointTest, AHoleInTheOffsetsDirectlyBeforeTheCheckpointIsNoRecord) {
  Process rebuilt(log, "outlet", kTaskLedger, lost);
  checkpoint.set_offset(4);
  rebuilt.task.resume_from(checkpoint);
  ASSERT_TRUE(rebuilt.process({records[0], records[1], records[2]}).has_value());
  EXPECT_TRUE(rebuilt.task.is_suppressed());
  records[3].offset = 4;
  ASSERT_TRUE(rebuilt.process({records[3]}).has_value());
  EXPECT_EQ(rebuilt.adder.tally(), 4);
  EXPECT_EQ(read(log, kTaskDeltas).back().value, "10");
}

TEST_F(CheckpointTest, HoldsTheEndsOfTheResultsThatTheTaskWrote) {
  ASSERT_EQ(checkpoint.results_size(), 1);
  EXPECT_EQ(checkpoint.results(0).topic(), static_cast<int>(Topic::metrics_final));
  EXPECT_EQ(checkpoint.results(0).end(), 3);
  // The next owner continues to know them, even if it writes no results itself.
  Process rebuilt(log, "outlet", kTaskLedger, lost);
  rebuilt.task.resume_from(checkpoint);
  ASSERT_TRUE(rebuilt.process({records[0], records[1], records[2]}).has_value());
  const auto next = commit(rebuilt);
  ASSERT_EQ(next.results_size(), 1);
  EXPECT_EQ(next.results(0).end(), 3);
}

TEST_F(CheckpointTest, CarriesAllOfAStateWithoutADisk) {
  Adder adder;
  CheckpointStore store(std::nullopt);
  MemorySink sink(log);
  Task task("outlet", kTaskLedger, "d1", adder, store, sink);
  ASSERT_TRUE(task.restore().has_value());
  for (const auto index : {0U, 1U}) ASSERT_TRUE(task.process(records[index]).has_value());
  ASSERT_TRUE(task.save().has_value());
  Checkpoint last;
  ASSERT_TRUE(last.ParseFromString(task.checkpoint()->value));
  Adder next_adder;
  CheckpointStore next_store(last);
  Task next("outlet", kTaskLedger, "d1", next_adder, next_store, sink);
  ASSERT_TRUE(next.restore().has_value());
  next.resume_from(last);
  EXPECT_EQ(next.next_offset(), 2);
  EXPECT_FALSE(next.is_suppressed());
  EXPECT_EQ(next_adder.clock(), 3);
}

// A crash between two steps of a commit; the state, the log and the group's position are what was written until then.
TEST_F(CheckpointTest, AStateThatIsAheadOfTheCheckpointContinuesFromTheState) {
  Process owner(log, "outlet", kTaskLedger, content);
  ASSERT_TRUE(owner.task.restore().has_value());
  ASSERT_EQ(owner.task.next_offset(), 5);
  owner.task.resume_from(checkpoint);
  EXPECT_FALSE(owner.task.is_suppressed());
  append("6");
  ASSERT_TRUE(owner.process(read(log, kTaskLedger)).has_value());
  EXPECT_EQ(published_again().size(), 1U);
}

TEST(IsUsable, DependsOnOutputsEpochAndEmitFrom) {
  struct Case {
    const char* title;
    bool has_outputs;
    std::int64_t state_epoch, state_offset;
    std::optional<std::tuple<std::int64_t, std::int64_t, std::int64_t>> checkpoint;  // epoch, offset, emit_from
    bool usable;
  };
  for (const auto& [title, has_outputs, epoch, offset, from, usable] : std::vector<Case>{
           {"complete, no checkpoint", true, 0, 7, std::nullopt, true},
           {"state only, no checkpoint", false, 0, 7, std::nullopt, false},
           {"complete, behind the checkpoint", true, 0, 7, {{0, 9, 0}}, true},
           {"complete, ahead of the checkpoint", true, 0, 11, {{0, 9, 0}}, true},
           {"state only, behind the checkpoint", false, 0, 7, {{0, 9, 0}}, true},
           {"state only, at the checkpoint", false, 0, 9, {{0, 9, 0}}, false},
           {"state only, ahead of the checkpoint", false, 0, 11, {{0, 9, 0}}, false},
           {"before the reset, up to emit_from", true, 0, 20, {{1, 9, 20}}, true},
           {"before the reset, beyond emit_from", true, 0, 21, {{1, 9, 20}}, false},
           {"before the reset, beyond the checkpoint without emit_from", true, 0, 10, {{1, 9, 0}}, false},
           {"after the reset, beyond emit_from", true, 1, 21, {{1, 9, 20}}, true},
       }) {
    TaskState state;
    if (has_outputs) state.mutable_outputs();
    state.set_reset_epoch(epoch);
    state.set_next_offset(offset);
    std::optional<Checkpoint> checkpoint;
    if (from) {
      checkpoint.emplace();
      checkpoint->set_reset_epoch(std::get<0>(*from));
      checkpoint->set_offset(std::get<1>(*from));
      checkpoint->set_emit_from(std::get<2>(*from));
    }
    EXPECT_EQ(is_usable(state, checkpoint), usable) << title;
  }
}

// ---- errors ---------------------------------------------------------------------------------------------------------

// Fails when a record is sent.
class FailingSink final : public MemorySink {
 public:
  using MemorySink::MemorySink;
  Result<void> send(OutRecord /*record*/) override { return fail(Reaction::drop_task, "The record cannot be sent."); }
};

TEST_F(TaskTest, AnErrorOfTheSinkIsReturnedAtTheRecordThatCausedTheOutput) {
  append("1");
  Adder adder;
  MemoryStore store(content);
  FailingSink sink(log);
  Task task("outlet", kTaskLedger, "d1", adder, store, sink);
  const auto processed = task.process(read(log, kTaskLedger)[0]);
  ASSERT_FALSE(processed.has_value());
  EXPECT_EQ(processed.error().reaction, Reaction::drop_task);
  EXPECT_EQ(task.next_offset(), 0) << "the task has not advanced past the record";
}

}  // namespace
}  // namespace fiverate::test
