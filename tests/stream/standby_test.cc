// Copies of tasks that other processes own: suppressed, never beyond the owner's checkpoint, taken over without a loss or a repetition.
#include "processors/stream/standby.h"

#include <algorithm>

#include "tests/stream/engine_fixture.h"

namespace fiverate::test {
namespace {

const Input kOurs{Topic::ledger, 0};
const Input kTheirs{Topic::ledger, 1};

class StandbyTest : public EngineTest {
 protected:
  Standby::OpenReader open_reader() {
    return [this](const std::map<Input, std::int64_t>& from) -> Result<std::unique_ptr<Source>> {
      ++readers;
      std::vector<Input> inputs;
      for (const auto& [input, offset] : from) inputs.push_back(input);
      auto source = std::make_unique<MemorySource>(log, inputs, unused_group, 30'000);
      source->listen({[from](const auto&) { return from; }, {}});
      return source;
    };
  }
  Standby::Parts standby_parts(std::vector<Input> eligible) {
    return {open_reader(), checkpoints,         names(),
            make_in(here), std::move(eligible), [this](Severity, const std::string& text) { reports.push_back(text); },
            now()};
  }
  // Long enough for a copy to be opened and a reader to be replaced.
  void rounds(Standby& standby, Source& source) {
    for (int i = 0; i < 30; ++i) {
      standby.round(source);
      time += 100ms;
    }
  }
  static std::int64_t offset_of(const Standby& standby, const Input& input) {
    return standby.copies().at(input).context.task->next_offset();
  }

  MemorySource::GroupOffsets unused_group;
  MemorySource ours{log, {kOurs}, group};
  int readers = 0;
};

TEST_F(StandbyTest, FollowsTheOwnersCheckpointsAndNotBeyond) {
  for (const auto* value : {"1", "2"}) append(kTheirs, value);
  own(kTheirs, there);
  const auto by_owner = published();
  for (const auto* value : {"3", "4"}) append(kTheirs, value);
  Standby standby(standby_parts({kOurs, kTheirs}), 4, 0ms);
  standby.follow_all_but({kOurs});
  rounds(standby, ours);
  EXPECT_EQ(offset_of(standby, kTheirs), 2);
  EXPECT_EQ(standby.copies().at(kTheirs).behind(), 0);
  EXPECT_FALSE(standby.copies().contains(kOurs));
  EXPECT_EQ(static_cast<const Adder&>(*standby.copies().at(kTheirs).context.op).computed, 0) << "state only";
  EXPECT_EQ(published(), by_owner);
  own(kTheirs, there);
  rounds(standby, ours);
  EXPECT_EQ(offset_of(standby, kTheirs), 4);
  EXPECT_EQ(saved_sum(here, kTheirs), "10");
  EXPECT_EQ(published().size(), 4U) << "the owner's";
}

TEST_F(StandbyTest, TakesOverFromMemoryAndPublishesFromTheCheckpointOn) {
  for (const bool with_resume_point : {true, false}) {
    SCOPED_TRACE(with_resume_point);
    has_resume_point = with_resume_point;
    here.clear();
    append(kTheirs, "1");
    append(kTheirs, "2");
    own(kTheirs, there);
    append(kTheirs, "3");
    MemorySource source(log, {kTheirs}, group);
    Standby standby(standby_parts({kTheirs}), 4, 0ms);
    standby.follow_all_but({});
    rounds(standby, source);
    const auto opened_before = opened;
    Worker worker(parts(source, here, &standby), rare);
    ASSERT_TRUE(worker.round().has_value());
    EXPECT_EQ(opened, opened_before) << "the copy itself continues";
    ASSERT_TRUE(worker.commit_all().has_value());
    Values expected;
    for (std::int64_t offset = 0; offset < log.end_offset(kTheirs); ++offset)
      expected.push_back(fmt::format("outlet/1/{}/0", offset));
    EXPECT_EQ(published(), expected);
    EXPECT_EQ(group.at(kTheirs).offset, log.end_offset(kTheirs));
    there = here;
  }
}

TEST_F(StandbyTest, ACopyOfATaskWithoutACheckpointIsOpenedAgainAndPublishesAll) {
  MemorySource source(log, {kTheirs}, group);
  Standby standby(standby_parts({kTheirs}), 4, 0ms);
  standby.follow_all_but({});
  rounds(standby, source);
  ASSERT_EQ(standby.copies().size(), 1U);
  Worker worker(parts(source, here, &standby), rare);
  ASSERT_TRUE(worker.round().has_value());
  append(kTheirs, "1");
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(published(), Values{"outlet/1/0/0"});
}

TEST_F(StandbyTest, ACopyAheadOfTheCheckpointIsNotTakenOver) {
  append(kTheirs, "1");
  own(kTheirs, here);
  const auto checkpoint = last_checkpoint();
  append(kTheirs, "2");
  Standby standby(standby_parts({kTheirs}), 4, 1h);
  auto copy = *make_in(here)(kTheirs, checkpoint);  // it was ours, and was revoked before its outputs were acknowledged
  ASSERT_TRUE(copy.task->restore().has_value());
  ASSERT_TRUE(copy.task->process(read(kTheirs)[1]).has_value());
  standby.keep(kTheirs, std::move(copy));
  EXPECT_FALSE(standby.release(kTheirs, checkpoint).has_value());
  EXPECT_TRUE(standby.copies().empty());
}

TEST_F(StandbyTest, ACopyOfALowerEpochIsNotTakenOver) {
  append(kTheirs, "1");
  own(kTheirs, here);
  auto checkpoint = last_checkpoint();
  Standby standby(standby_parts({kTheirs}), 4, 1h);
  standby.follow_all_but({});
  rounds(standby, ours);
  ASSERT_EQ(standby.copies().size(), 1U);
  checkpoint.set_reset_epoch(1);
  EXPECT_FALSE(standby.release(kTheirs, checkpoint).has_value());
}

// After a reset the owner publishes again from an earlier offset on. A copy that followed to the offset that the owner had before
// would save a state that skips the outputs in between.
TEST_F(StandbyTest, ACopyWhoseTaskWasResetIsOpenedAgainAndStaysBehindTheOwner) {
  append(kTheirs, "1");
  own(kTheirs, there);
  const auto earlier = last_checkpoint();
  for (const auto* value : {"2", "3", "4"}) append(kTheirs, value);
  own(kTheirs, there);
  const auto before_reset = last_checkpoint();
  Standby standby(standby_parts({kTheirs}), 4, 0ms);
  standby.follow_all_but({});
  rounds(standby, ours);
  ASSERT_EQ(offset_of(standby, kTheirs), 4);
  const auto opened_before = opened;
  reset(kTheirs, earlier, 1);
  rounds(standby, ours);
  rounds(standby, ours);
  EXPECT_EQ(opened, opened_before + 1);
  ASSERT_EQ(standby.copies().size(), 1U);
  EXPECT_EQ(standby.copies().at(kTheirs).context.task->reset_epoch(), 1);
  EXPECT_EQ(offset_of(standby, kTheirs), 1);
  log.append(checkpoint_record(before_reset, 0));  // of a process that has not noticed the reset
  rounds(standby, ours);
  EXPECT_EQ(offset_of(standby, kTheirs), 1);
  MemorySource source(log, {kTheirs}, group);
  Worker worker(parts(source, here, &standby), rare);
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(published(), (Values{"outlet/1/0/0", "outlet/1/1/0", "outlet/1/2/0", "outlet/1/3/0",  //
                                 "outlet/1/1/0", "outlet/1/2/0", "outlet/1/3/0"}));
}

TEST_F(StandbyTest, CopiesAtMostTheGivenNumberBeginningBehindOurOwn) {
  std::vector<Input> all;
  for (std::int32_t i = 0; i < 6; ++i) all.push_back({Topic::ledger, i});
  Standby standby(standby_parts(all), 2, 1h);
  standby.follow_all_but({{Topic::ledger, 3}, {Topic::ledger, 4}});
  rounds(standby, ours);
  std::vector<Input> followed;
  for (const auto& [input, copy] : standby.copies()) followed.push_back(input);
  EXPECT_EQ(followed, (std::vector<Input>{{Topic::ledger, 0}, {Topic::ledger, 5}}));
}

TEST_F(StandbyTest, ACopyThatFailsIsDroppedAndTheOthersContinue) {
  append(kOurs, "1");
  append(kTheirs, "1");
  own(kOurs, there);
  own(kTheirs, there);
  here[kTheirs] = std::make_shared<MemoryStore::Content>();
  auto with = standby_parts({kOurs, kTheirs});
  with.make_task = [this](const Input& input, const std::optional<Checkpoint>& checkpoint) -> Result<TaskContext> {
    auto context = make_in(here)(input, checkpoint);
    if (input == kTheirs) TRY(context->store->write({{{std::string(kTaskKey), "\xff damaged"}}}));
    return context;
  };
  Standby standby(with, 4, 0ms);
  standby.follow_all_but({});
  rounds(standby, ours);
  EXPECT_EQ(standby.copies().size(), 1U);
  EXPECT_EQ(offset_of(standby, kOurs), 1);
  EXPECT_EQ(std::ranges::count_if(
                reports, [](const auto& text) { return text.find("no standby any more") != std::string::npos; }),
            1);
}

TEST_F(StandbyTest, ACopyWhoseStoreIsLockedIsOpenedLater) {
  append(kTheirs, "1");
  own(kTheirs, there);
  int attempts = 0;
  auto with = standby_parts({kTheirs});
  with.make_task = [&](const Input& input, const std::optional<Checkpoint>& checkpoint) -> Result<TaskContext> {
    if (++attempts <= 2) return fail(Reaction::wait, "In use by another process.");
    return make_in(here)(input, checkpoint);
  };
  Standby standby(with, 4, 0ms);
  standby.follow_all_but({});
  for (int i = 0; i < 3; ++i) standby.round(ours);
  EXPECT_EQ(attempts, 1) << "not in every round";
  rounds(standby, ours);
  EXPECT_EQ(attempts, 3);
  EXPECT_EQ(offset_of(standby, kTheirs), 1);
}

// A group whose coordinator does not answer in time.
class UnavailableGroup final : public Source {
 public:
  void listen(Listener) override {}
  Result<void> poll(std::chrono::milliseconds, std::vector<InRecord>&) override { return {}; }
  Result<std::map<Input, Committed>> committed(const std::vector<Input>&, std::chrono::milliseconds within) override {
    ++requests;
    longest = std::max(longest, within);
    if (!available) return fail(Reaction::retry, "Timed out.");
    return std::map<Input, Committed>{};
  }
  Result<void> commit(const std::map<Input, Committed>&) override { return {}; }

  bool available = false;
  int requests = 0;
  std::chrono::milliseconds longest{0};
};

TEST_F(StandbyTest, AGroupThatDoesNotAnswerIsQueriedAgainAfterASecond) {
  append(kTheirs, "1");
  own(kTheirs, there);
  UnavailableGroup source;
  Standby standby(standby_parts({kTheirs}), 4, 0ms);
  standby.follow_all_but({});
  for (int i = 0; i < 19; ++i) {
    standby.round(source);
    time += 50ms;
  }
  EXPECT_EQ(source.requests, 1) << "the worker's own tasks wait meanwhile";
  EXPECT_LE(source.longest, 1s);
  EXPECT_TRUE(standby.copies().empty());
  source.available = true;
  time += 1s;
  standby.round(source);
  EXPECT_EQ(source.requests, 2);
  EXPECT_EQ(standby.copies().size(), 1U);
}

TEST_F(StandbyTest, KnowsHowFarACopyIsBehindItsOwner) {
  for (const auto* value : {"1", "2", "3"}) append(kTheirs, value);
  own(kTheirs, there);
  auto with = standby_parts({kTheirs});
  with.open_reader = [this](const std::map<Input, std::int64_t>& from) -> Result<std::unique_ptr<Source>> {
    if (from.contains(kTheirs)) return fail(Reaction::retry, "The broker is away.");
    return open_reader()(from);
  };
  Standby standby(with, 4, 0ms);
  standby.follow_all_but({});
  rounds(standby, ours);
  EXPECT_EQ(standby.copies().at(kTheirs).behind(), 3);
  EXPECT_EQ(offset_of(standby, kTheirs), 0);
}

TEST_F(StandbyTest, AnOwnerThatStandsStillDoesNotKeepTheOtherCopiesFromFollowing) {
  append(kTheirs, "1");
  own(kTheirs, there);
  for (std::size_t i = 0; i < Standby::kBufferedMax + 10; ++i) append(kTheirs, "1");  // behind the owner's checkpoint
  Standby standby(standby_parts({kOurs, kTheirs}), 4, 0ms);
  standby.follow_all_but({});
  rounds(standby, ours);
  ASSERT_EQ(offset_of(standby, kTheirs), 1);
  const auto readers_before = readers;
  rounds(standby, ours);
  EXPECT_EQ(readers, readers_before) << "the partition is not read again and again";
  append(kOurs, "7");
  States others;
  own(kOurs, others);
  rounds(standby, ours);
  EXPECT_EQ(offset_of(standby, kOurs), 1);
  own(kTheirs, there);
  for (int i = 0; i < 20; ++i) rounds(standby, ours);
  EXPECT_EQ(offset_of(standby, kTheirs), log.end_offset(kTheirs)) << "the owner moved: it is followed again";
}

TEST_F(StandbyTest, ACopyWhoseLogBeginsBehindItsStateIsDropped) {
  MemoryLog short_log({true, 0});
  for (const auto* value : {"1", "2"}) short_log.append({Topic::ledger, 1, 5, "", value, std::nullopt, std::nullopt});
  std::vector<InRecord> removed;
  short_log.read(kTheirs, 0, 1, 0ms, removed);
  MemorySource source(short_log, {kOurs}, group);
  Standby standby(standby_parts({kTheirs}), 4, 0ms);
  standby.follow_all_but({});
  rounds(standby, source);
  EXPECT_TRUE(standby.copies().empty());
  ASSERT_FALSE(reports.empty());
  EXPECT_NE(reports.back().find("no snapshot reaches it"), std::string::npos) << reports.back();
}

}  // namespace
}  // namespace fiverate::test
