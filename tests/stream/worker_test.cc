// The main loop: each record goes to its task, commits happen at boundaries only and in their order, revoked tasks are committed, errors
// are returned, and a task continues from its state, its checkpoint, or both.
#include "processors/stream/worker.h"

#include "tests/stream/engine_fixture.h"

namespace fiverate::test {
namespace {

const Input kFirst{Topic::ledger, 0};
const Input kSecond{Topic::ledger, 1};

class WorkerTest : public EngineTest {
 protected:
  void expect_stop(Worker& worker, const std::string& text) {
    const auto round = worker.round();
    ASSERT_FALSE(round.has_value());
    EXPECT_EQ(round.error().reaction, Reaction::stop);
    EXPECT_NE(round.error().what.find(text), std::string::npos) << round.error().what;
  }
};

// ---- commits --------------------------------------------------------------------------------------------------------

TEST_F(WorkerTest, EachTaskFoldsItsOwnPartition) {
  append(kFirst, "1");
  append(kSecond, "10");
  append(kFirst, "2");
  MemorySource source(log, {kFirst, kSecond}, group);
  Worker worker(parts(source, here), rare);
  ASSERT_TRUE(worker.round().has_value());
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(saved_sum(here, kFirst), "3");
  EXPECT_EQ(saved_sum(here, kSecond), "10");
  EXPECT_EQ(group.at(kFirst).offset, 2);
}

TEST_F(WorkerTest, ContinuesFromTheStateWithoutAGroupOffset) {
  append(kFirst, "1");
  for (int i = 0; i < 3; ++i) {
    own(kFirst, here);
    group.clear();
  }
  EXPECT_EQ(saved_sum(here, kFirst), "1");
  EXPECT_EQ(published().size(), 1U);
}

TEST_F(WorkerTest, CommitsToAGroupWhoseOffsetIsBehindTheState) {
  append(kFirst, "1");
  append(kFirst, "2");
  own(kFirst, here);
  ASSERT_EQ(group.at(kFirst).offset, 2);
  group[kFirst] = {1, ""};  // the last commit did not reach the group
  own(kFirst, here);
  EXPECT_EQ(group.at(kFirst).offset, 2);
  group.clear();
  own(kFirst, here);
  EXPECT_EQ(group.at(kFirst).offset, 2);
}

TEST_F(WorkerTest, CommitsAfterTheGivenNumberOfRecordsButOnlyAtABoundary) {
  for (const auto* value : {"1", "hold", "2", "3", "end", "4"}) append(kFirst, value);
  MemorySource source(log, {kFirst}, group, 1);
  Worker worker(parts(source, here), {0ms, 1h, 2});
  Values seen;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(*worker.round());
    seen.push_back(saved_sum(here, kFirst));
  }
  EXPECT_EQ(seen, (Values{"-", "-", "-", "-", "6", "6"})) << "due at the second record, possible at the fifth";
  EXPECT_EQ(group.at(kFirst).offset, 5);
}

TEST_F(WorkerTest, CommitsAfterTheGivenTime) {
  append(kFirst, "1");
  MemorySource source(log, {kFirst}, group);
  Worker worker(parts(source, here), {0ms, 500ms, 1'000'000});
  ASSERT_TRUE(worker.round().has_value());
  time += 499ms;
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(saved_sum(here, kFirst), "-");
  time += 1ms;
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(saved_sum(here, kFirst), "1");
  EXPECT_NE(last_checkpoint().status().find("\"clock_ms\":1"), std::string::npos) << last_checkpoint().status();
}

// An outlet task under load is rarely at a boundary at the moment when a commit is due.
TEST_F(WorkerTest, ACommitThatIsDueBetweenBoundariesHappensAtTheNextBoundary) {
  for (const auto* value : {"1", "hold", "2"}) append(kFirst, value);
  MemorySource source(log, {kFirst}, group);
  Worker worker(parts(source, here), rare);
  ASSERT_TRUE(worker.round().has_value());
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(saved_sum(here, kFirst), "-");
  for (const auto* value : {"3", "end", "hold", "4"}) append(kFirst, value);
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(saved_sum(here, kFirst), "6");
  EXPECT_EQ(group.at(kFirst).offset, 5);
}

TEST_F(WorkerTest, ASuppressedTaskCommitsAfterFewerRecords) {
  for (int i = 0; i < 4; ++i) append(kFirst, "1");
  own(kFirst, there);
  for (int i = 0; i < 3; ++i) append(kFirst, "1");
  MemorySource source(log, {kFirst}, group, 1);
  Worker worker(parts(source, here), {0ms, 1h, 20, 2});
  Values seen;
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(*worker.round());
    seen.push_back(saved_sum(here, kFirst));
  }
  EXPECT_EQ(seen, (Values{"-", "2", "2", "2", "2", "2", "2"})) << "the fourth record is the last that is suppressed";
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(saved_sum(here, kFirst), "7");
}

TEST_F(WorkerTest, ASuppressedTaskIsNotCommittedByTime) {
  append(kFirst, "1");
  append(kSecond, "5");
  MemorySource source(log, {kFirst, kSecond}, group, 1);
  Worker worker(parts(source, here), {0ms, 100ms, 1'000'000});
  ASSERT_TRUE(worker.round().has_value());
  time += 100ms;
  worker.tasks().at(kFirst).task->suppress_outputs();
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(saved_sum(here, kSecond), "5");
  EXPECT_EQ(saved_sum(here, kFirst), "-");
}

// ---- errors ---------------------------------------------------------------------------------------------------------

TEST_F(WorkerTest, AnErrorEndsTheRoundAndLeavesTheStateAsCommitted) {
  for (const auto* value : {"1", "fail", "2"}) append(kFirst, value);
  MemorySource source(log, {kFirst}, group);
  Worker worker(parts(source, here), {0ms, 1h, 1});
  const auto round = worker.round();
  ASSERT_FALSE(round.has_value());
  EXPECT_EQ(round.error().reaction, Reaction::drop_task);
  EXPECT_EQ(saved_sum(here, kFirst), "1");
}

TEST_F(WorkerTest, ATaskThatCannotBeMadeEndsTheRound) {
  MemorySource source(log, {kFirst}, group);
  auto with = parts(source, here);
  with.make_task = [](const Input&, const auto&) -> Result<TaskContext> { return fail(Reaction::stop, "No disk."); };
  Worker worker(with, rare);
  expect_stop(worker, "No disk.");
}

TEST_F(WorkerTest, ATaskWhoseStoreIsLockedStartsLaterAndTheOthersContinue) {
  for (const auto* value : {"1", "2"}) {
    append(kFirst, value);
    append(kSecond, value);
  }
  MemorySource source(log, {kFirst, kSecond}, group);
  int locked_for = 3;
  auto with = parts(source, here);
  with.make_task = [&](const Input& input, const std::optional<Checkpoint>& checkpoint) -> Result<TaskContext> {
    if (input == kSecond && locked_for-- > 0) return fail(Reaction::wait, "In use by another process.");
    return make_in(here)(input, checkpoint);
  };
  Worker worker(with, rare);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(worker.round().has_value());
    EXPECT_FALSE(worker.tasks().contains(kSecond));
  }
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(saved_sum(here, kFirst), "3");
  own(kSecond, there);  // the process that has it open commits meanwhile
  ASSERT_TRUE(worker.round().has_value());
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(saved_sum(here, kSecond), "3");
  EXPECT_EQ(saved_sum(here, kFirst), "3") << "its records are not read again";
  EXPECT_EQ(published().size(), 4U) << "the first task's two and the other process's two";
}

// ---- assignment and revocation --------------------------------------------------------------------------------------

// A source whose next poll is a function of the test.
class ScriptedSource final : public Source {
 public:
  using Poll = std::function<Result<void>(Listener&, std::vector<InRecord>&)>;
  void listen(Listener listener) override { listener_ = std::move(listener); }
  Result<void> poll(std::chrono::milliseconds, std::vector<InRecord>& records) override {
    return next ? std::exchange(next, {})(listener_, records) : Result<void>{};
  }
  Result<std::map<Input, Committed>> committed(const std::vector<Input>&, std::chrono::milliseconds) override {
    return std::map<Input, Committed>{};
  }
  Result<void> commit(const std::map<Input, Committed>& positions) override {
    for (const auto& [input, position] : positions) commits.emplace_back(input, position.offset);
    return {};
  }
  Poll next;
  std::vector<std::pair<Input, std::int64_t>> commits;

 private:
  Listener listener_;
};

TEST_F(WorkerTest, CommitsARevokedTaskAndIgnoresRecordsThatWereFetchedBefore) {
  append(kFirst, "1");
  append(kFirst, "2");
  const auto records = read(kFirst);
  ScriptedSource source;
  Worker worker(parts(source, here), rare);
  source.next = [&](Source::Listener& listener, std::vector<InRecord>& polled) -> Result<void> {
    TRY(listener.on_assigned({kFirst}));
    polled.push_back(records[0]);
    return {};
  };
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_TRUE(source.commits.empty());
  source.next = [&](Source::Listener& listener, std::vector<InRecord>& polled) -> Result<void> {
    listener.on_revoked({kFirst});
    polled.push_back(records[1]);
    return {};
  };
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(source.commits, (std::vector<std::pair<Input, std::int64_t>>{{kFirst, 1}}));
  EXPECT_EQ(saved_sum(here, kFirst), "1");
  EXPECT_TRUE(worker.tasks().empty());
}

class FullStore final : public MemoryStore {
 public:
  Result<void> write(const StoreBatch& /*batch*/) override { return fail(Reaction::stop, "The disk is full."); }
};

// After a failed write the operator regards its changes as saved: its memory and its disk differ.
TEST_F(WorkerTest, ARevokedTaskStaysAsAStandbyUnlessItsStateCouldNotBeWritten) {
  append(kFirst, "1");
  const auto records = read(kFirst);
  for (const bool full : {false, true}) {
    SCOPED_TRACE(full);
    here.clear();
    const MakeTask make = [&](const Input& input, const std::optional<Checkpoint>& checkpoint) -> Result<TaskContext> {
      if (full) return make_with(input, std::make_unique<FullStore>());
      return make_in(here)(input, checkpoint);
    };
    Standby standby({[](const auto&) -> Result<std::unique_ptr<Source>> { return fail(Reaction::retry, "Away."); },
                     checkpoints,
                     names(),
                     make,
                     {kFirst},
                     ignore_report,
                     now()},
                    4, 1h);
    ScriptedSource source;
    auto with = parts(source, here, &standby);
    with.make_task = make;
    Worker worker(with, rare);
    source.next = [&](Source::Listener& listener, std::vector<InRecord>& polled) -> Result<void> {
      TRY(listener.on_assigned({kFirst}));
      polled.push_back(records[0]);
      return {};
    };
    ASSERT_TRUE(worker.round().has_value());
    source.next = [&](Source::Listener& listener, std::vector<InRecord>&) -> Result<void> {
      listener.on_revoked({kFirst});
      return {};
    };
    ASSERT_TRUE(worker.round().has_value());
    EXPECT_EQ(standby.copies().contains(kFirst), !full);
  }
}

// ---- start ----------------------------------------------------------------------------------------------------------

TEST_F(WorkerTest, TheGroupsOffsetIsCommittedWithAPointerThatLeadsToTheCheckpoint) {
  append(kFirst, "1");
  append(kSecond, "2");
  MemorySource source(log, {kFirst, kSecond}, group);
  Worker worker(parts(source, here), rare);
  ASSERT_TRUE(worker.round().has_value());
  ASSERT_TRUE(worker.commit_all().has_value());
  for (const auto& input : {kFirst, kSecond}) {
    const auto record = read(kCheckpointsPartition, pointer(input).offset).front();
    const auto checkpoint = parse_checkpoint(record);
    ASSERT_TRUE(checkpoint.has_value());
    EXPECT_EQ(checkpoint->task(), names()(input));
    EXPECT_EQ(checkpoint->offset(), group.at(input).offset);
  }
}

TEST_F(WorkerTest, ATaskThatLostItsStatePublishesNothingTwice) {
  for (const bool with_resume_point : {true, false}) {
    SCOPED_TRACE(with_resume_point);
    has_resume_point = with_resume_point;
    for (const auto* value : {"1", "2", "3"}) append(kFirst, value);
    own(kFirst, here);
    here.clear();
    append(kFirst, "4");
    own(kFirst, here);
    Values expected;
    for (std::int64_t offset = 0; offset < log.end_offset(kFirst); ++offset)
      expected.push_back(fmt::format("outlet/0/{}/0", offset));
    EXPECT_EQ(published(), expected);
    EXPECT_EQ(group.at(kFirst).offset, log.end_offset(kFirst));
  }
}

TEST_F(WorkerTest, WithoutAGroupTheNewestCheckpointCounts) {
  for (const auto* value : {"1", "2", "3"}) append(kFirst, value);
  own(kFirst, here);
  here.clear();
  group.clear();
  append(kFirst, "4");
  own(kFirst, here);
  EXPECT_EQ(published(), (Values{"outlet/0/0/0", "outlet/0/1/0", "outlet/0/2/0", "outlet/0/3/0"}));
}

TEST_F(WorkerTest, ASuppressedTaskCommitsNeitherGroupNorCheckpoint) {
  for (const auto* value : {"1", "2", "3"}) append(kFirst, value);
  own(kFirst, there);
  const auto before = group.at(kFirst);
  const auto checkpoints_before = log.end_offset(kCheckpointsPartition);
  MemorySource source(log, {kFirst}, group, 1);
  Worker worker(parts(source, here), {0ms, 0ms, 1, 1});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(worker.round().has_value());
    EXPECT_TRUE(here.at(kFirst)->contains("sum")) << "the state is saved on the way";
    EXPECT_EQ(group.at(kFirst).metadata, before.metadata);
    EXPECT_EQ(log.end_offset(kCheckpointsPartition), checkpoints_before);
  }
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_NE(group.at(kFirst).metadata, before.metadata);
  EXPECT_EQ(published().size(), 3U);
}

TEST_F(WorkerTest, AfterAResetATaskPublishesAgainFromEmitFromOn) {
  for (const auto* value : {"1", "2"}) append(kFirst, value);
  own(kFirst, here);
  const auto earlier = last_checkpoint();
  for (const auto* value : {"3", "4", "5"}) append(kFirst, value);
  own(kFirst, here);
  const auto first = read({Topic::deltas, 0});
  reset(kFirst, earlier, 3);
  own(kFirst, here);
  const auto all = read({Topic::deltas, 0});
  ASSERT_EQ(all.size(), first.size() + 2);
  for (const std::size_t index : {3U, 4U}) {
    const auto& again = all[index + 2];
    EXPECT_EQ(again.value, first[index].value);
    EXPECT_EQ(to_text(*again.cause), to_text(*first[index].cause));
    EXPECT_EQ(again.link->chain, first[index].link->chain);
  }
  EXPECT_EQ(pointer(kFirst).reset_epoch, 1);
  own(kFirst, here);
  EXPECT_EQ(read({Topic::deltas, 0}).size(), all.size()) << "the state of the new epoch is usable: once is enough";
}

TEST_F(WorkerTest, ATaskThatStartsStillWaitsForWhatItsGroupNotesAsMissing) {
  append(kFirst, "1");
  own(kFirst, here);
  group.at(kFirst).metadata += " missing=deliveries/0:0-120";
  MemorySource source(log, {kFirst}, group);
  Worker worker(parts(source, here), rare);
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(worker.tasks().at(kFirst).missing_for_long, (std::vector<MissingRange>{{"deliveries/0", 0, 120}}));
  EXPECT_FALSE(worker.tasks().at(kFirst).task->is_complete());
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(parse_missing_note(group.at(kFirst).metadata).size(), 1U);
}

TEST_F(WorkerTest, ResultsThatEndBeforeTheCheckpointStopTheStart) {
  append(kFirst, "1");
  append(kFirst, "2");
  own(kFirst, here);
  MemoryLog with_fewer_results;
  for (const auto& input : {kFirst, kCheckpointsPartition, Input{Topic::metrics_final, 0}}) {
    for (const auto& record : read(input)) {
      if (input.topic == Topic::metrics_final && record.offset == 1) continue;
      with_fewer_results.append({input.topic, input.partition, record.timestamp, std::string(record.key),
                                 std::string(record.value), record.cause, std::nullopt});
    }
  }
  for (const bool state_is_lost : {false, true}) {
    if (state_is_lost) here.clear();
    MemorySource source(with_fewer_results, {kFirst}, group);
    Worker worker(parts(source, here), rare);
    expect_stop(worker, "metrics-final partition 0 ends at offset 1, it was filled up to 2");
  }
  MemorySource source(with_fewer_results, {kFirst}, group);
  Worker worker(parts(source, here), rare);
  expect_stop(worker, "fiverate tasks reset --missing");
}

TEST_F(WorkerTest, ALogWhoseFirstRecordsAreDeletedIsNotComputedFromAPart) {
  MemoryLog short_log({true, 0});  // removes records once they are read
  for (const auto* value : {"1", "2"}) short_log.append({Topic::ledger, 0, 5, "", value, std::nullopt, std::nullopt});
  std::vector<InRecord> records;
  short_log.read(kFirst, 0, 1, 0ms, records);
  MemorySource source(short_log, {kFirst}, group);
  Worker worker(parts(source, here), rare);
  expect_stop(worker, "PARTIAL");
}

TEST_F(WorkerTest, ALogThatEndsBeforeTheGroupsOffsetWasTruncated) {
  append(kFirst, "1");
  group[kFirst] = {5, ""};
  MemorySource source(log, {kFirst}, group);
  Worker worker(parts(source, here), rare);
  expect_stop(worker, "truncated");
}

TEST_F(WorkerTest, ALogThatEndsBeforeTheCheckpointsOffsetWasTruncatedAlsoWithoutAGroup) {
  append(kFirst, "1");
  Checkpoint checkpoint;
  checkpoint.set_task("outlet/0");
  checkpoint.set_offset(5);
  log.append(checkpoint_record(checkpoint, 0));
  MemorySource source(log, {kFirst}, group);
  Worker worker(parts(source, here), rare);
  expect_stop(worker, "truncated");
}

}  // namespace
}  // namespace fiverate::test
