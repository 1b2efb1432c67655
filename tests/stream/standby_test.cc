// Copies of what others own: silent, never beyond what the group committed, handed over without a loss, and catching up silently.
#include "processors/stream/standby.h"

#include <gtest/gtest.h>

#include "processors/edge/memory_log.h"
#include "processors/stream/worker.h"
#include "tests/stream/fake_operator.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;

const Input kMine{Topic::ledger, 0};
const Input kTheirs{Topic::ledger, 1};

class StandbyTest : public testing::Test {
 protected:
  void writes(const Input& input, const std::string& value) {
    log.append({input.topic, input.partition, 5, "", value, std::nullopt, std::nullopt});
  }
  // What "1" to "9" become: one output each.
  std::vector<std::string> said(Topic topic = Topic::deltas) {
    std::vector<InRecord> records;
    log.read({topic, 0}, 0, 1000, 0ms, records);
    std::vector<std::string> values;
    for (const auto& record : records) values.push_back(to_text(*record.cause));
    return values;
  }
  MakeSeat seats(std::map<Input, std::shared_ptr<MemoryStore::Content>>& contents) {
    return [&](const Input& input) -> Result<Seat> {
      ++opened;
      Seat seat;
      auto& content = contents[input];
      seat.rebuilt = !content;
      if (!content) content = std::make_shared<MemoryStore::Content>();
      seat.store = std::make_unique<MemoryStore>(content);
      seat.op = std::make_unique<Adder>();
      seat.task = std::make_unique<Task>("outlet", input, "d1", *seat.op, *seat.store, sink);
      seat.targets = {{Topic::deltas, 0}};
      seat.speak_from = order;
      return seat;
    };
  }
  Standby::OpenReader reader() {
    return [this](const std::map<Input, std::int64_t>& from) -> Result<std::unique_ptr<Source>> {
      std::vector<Input> inputs;
      for (const auto& [input, offset] : from) inputs.push_back(input);
      auto source = std::make_unique<MemorySource>(log, inputs, unused_group);
      source->listen({[from](const auto&) { return from; }, {}});
      return source;
    };
  }
  void rounds(Standby& standby, Source& source) {
    for (int i = 0; i < 3; ++i) {
      standby.round(source);
      std::this_thread::sleep_for(Standby::kAskEvery);
    }
    standby.round(source);
  }

  MemoryLog log;
  MemorySink sink{log};
  MemorySource::GroupOffsets group;
  MemorySource::GroupOffsets unused_group;
  std::map<Input, std::shared_ptr<MemoryStore::Content>> here, there;
  std::optional<std::int64_t> order;
  int opened = 0;
  const WorkerOptions calm{0ms, 1h, 1'000'000};
};

TEST_F(StandbyTest, FollowsTheOwnersCommitsAndNoFurtherInSilence) {
  for (const auto* value : {"1", "2", "3", "4"}) writes(kTheirs, value);
  group[kTheirs] = {2, ""};
  MemorySource source(log, {kMine}, group);
  Standby standby(reader(), seats(here), {kMine, kTheirs}, 4, 0ms);
  standby.follow({kMine});
  rounds(standby, source);
  EXPECT_EQ(standby.copies().at(kTheirs).task->next_offset(), 2);
  group[kTheirs] = {3, ""};
  rounds(standby, source);
  EXPECT_EQ(standby.copies().at(kTheirs).task->next_offset(), 3);
  EXPECT_TRUE(said().empty());
  EXPECT_EQ(here.at(kTheirs)->at("sum"), "6");
}

TEST_F(StandbyTest, TheOneTakenOverSpeaksOnFromWhereTheGroupStands) {
  for (const auto* value : {"1", "2", "3"}) writes(kTheirs, value);
  group[kTheirs] = {2, ""};
  MemorySource source(log, {kTheirs}, group);
  Standby standby(reader(), seats(here), {kTheirs}, 4, 0ms);
  standby.follow({});
  rounds(standby, source);
  ASSERT_EQ(opened, 1);
  Worker worker(source, seats(here), calm, {}, &standby);
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(opened, 1) << "the copy itself goes on";
  EXPECT_EQ(said(), std::vector<std::string>{"outlet/1/2/0"});
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(here.at(kTheirs)->at("sum"), "6");
  EXPECT_EQ(group.at(kTheirs).offset, 3);
}

TEST_F(StandbyTest, WorksOutNothingWhereTheGroupSaysHowToGoOn) {
  for (const auto* value : {"1", "2", "3"}) writes(kTheirs, value);
  {
    MemorySource theirs(log, {kTheirs}, group);
    Worker owner(theirs, seats(there), calm);
    ASSERT_TRUE(owner.round().has_value());
    ASSERT_TRUE(owner.commit_all().has_value());
  }
  writes(kTheirs, "4");
  const auto said_by_owner = said();
  MemorySource source(log, {kTheirs}, group);
  Standby standby(reader(), seats(here), {kTheirs}, 4, 0ms);
  standby.follow({});
  rounds(standby, source);
  const auto& copy = standby.copies().at(kTheirs);
  EXPECT_EQ(copy.task->next_offset(), 3);
  EXPECT_EQ(static_cast<const Adder&>(*copy.op).worked_out, 0);
  EXPECT_EQ(static_cast<const Adder&>(*copy.op).count(), 3) << "as told by the group";
  Worker worker(source, seats(here), calm, {}, &standby);
  ASSERT_TRUE(worker.round().has_value());
  auto all = said_by_owner;
  all.emplace_back("outlet/1/3/0");
  EXPECT_EQ(said(), all);
}

TEST_F(StandbyTest, TheOneTakenOverSpeaksAlsoWhereTheGroupHasCommittedNothing) {
  MemorySource source(log, {kTheirs}, group);
  Standby standby(reader(), seats(here), {kTheirs}, 4, 0ms);
  standby.follow({});
  rounds(standby, source);
  ASSERT_EQ(standby.copies().size(), 1U);
  Worker worker(source, seats(here), calm, {}, &standby);
  ASSERT_TRUE(worker.round().has_value());
  writes(kTheirs, "1");
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(said(), std::vector<std::string>{"outlet/1/0/0"});
}

TEST_F(StandbyTest, ACopyIsNotTakenForAnOrderToSpeakAgain) {
  for (const auto* value : {"1", "2", "3"}) writes(kTheirs, value);
  group[kTheirs] = {3, ""};
  order = 1;
  MemorySource source(log, {kTheirs}, group);
  Standby standby(reader(), seats(here), {kTheirs}, 4, 1h);
  standby.follow({});
  rounds(standby, source);
  ASSERT_EQ(standby.copies().at(kTheirs).task->next_offset(), 3);
  here.clear();  // States sets aside what is beyond the order
  Worker worker(source, seats(here), calm, {}, &standby);
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(opened, 2);
  EXPECT_EQ(said(), (std::vector<std::string>{"outlet/1/1/0", "outlet/1/2/0"}));
}

TEST_F(StandbyTest, ACopyAheadOfTheGroupIsNotTakenFromMemory) {
  for (const auto* value : {"1", "2", "3"}) writes(kTheirs, value);
  MemorySource source(log, {kTheirs}, group);
  Standby standby(reader(), seats(here), {kTheirs}, 4, 1h);
  {
    Worker worker(source, seats(here), calm);  // it was ours, and was taken away before it was committed
    ASSERT_TRUE(worker.round().has_value());
    auto seat = std::move(const_cast<Seat&>(worker.seats().at(kTheirs)));
    standby.keep(kTheirs, std::move(seat));
  }
  EXPECT_FALSE(standby.release(kTheirs, 2).has_value());
  EXPECT_TRUE(standby.copies().empty());
}

TEST_F(StandbyTest, AtMostSoManyBeginningBehindOurOwn) {
  std::vector<Input> all;
  for (std::int32_t i = 0; i < 6; ++i) all.push_back({Topic::ledger, i});
  Standby standby(reader(), seats(here), all, 2, 1h);
  standby.follow({{Topic::ledger, 3}, {Topic::ledger, 4}});
  MemorySource source(log, {}, group);
  rounds(standby, source);
  std::vector<Input> followed;
  for (const auto& [input, seat] : standby.copies()) followed.push_back(input);
  EXPECT_EQ(followed, (std::vector<Input>{{Topic::ledger, 0}, {Topic::ledger, 5}}));
}

TEST_F(StandbyTest, OneThatFailsIsGivenUpAndTheOthersGoOn) {
  writes(kMine, "1");
  writes(kTheirs, "1");
  group[kMine] = group[kTheirs] = {1, ""};
  here[kTheirs] = std::make_shared<MemoryStore::Content>();
  here[kTheirs]->emplace("task", "\xff damaged");
  MemorySource source(log, {}, group);
  Standby standby(reader(), seats(here), {kMine, kTheirs}, 4, 0ms);
  standby.follow({});
  rounds(standby, source);
  EXPECT_EQ(standby.copies().size(), 1U);
  EXPECT_EQ(standby.copies().at(kMine).task->next_offset(), 1);
}

TEST_F(StandbyTest, OneWhoseStoreIsHeldIsNotGivenUp) {
  writes(kTheirs, "1");
  group[kTheirs] = {1, ""};
  MemorySource source(log, {}, group);
  int held_for = 2;
  Standby standby(
      reader(),
      [&](const Input& input) -> Result<Seat> {
        if (held_for-- > 0) return fail(Reaction::wait, "in use by another process");
        return seats(here)(input);
      },
      {kTheirs}, 4, 0ms);
  standby.follow({});
  rounds(standby, source);
  rounds(standby, source);
  EXPECT_EQ(standby.copies().at(kTheirs).task->next_offset(), 1);
}

// A group whose coordinator does not answer in time.
class Hanging final : public Source {
 public:
  void listen(Listener) override {}
  Result<void> poll(std::chrono::milliseconds, std::vector<InRecord>&) override { return {}; }
  Result<std::optional<Committed>> committed(const Input&) override { return std::nullopt; }
  Result<std::map<Input, Committed>> committed_of(const std::vector<Input>&,
                                                  std::chrono::milliseconds within) override {
    ++asked;
    longest = std::max(longest, within);
    if (hangs) return fail(Reaction::retry, "timed out");
    return std::map<Input, Committed>{{kTheirs, {1, ""}}};
  }
  Result<void> commit(const std::map<Input, Committed>&) override { return {}; }

  bool hangs = true;
  int asked = 0;
  std::chrono::milliseconds longest{0};
};

TEST_F(StandbyTest, AGroupThatDoesNotAnswerIsNotAskedAgainAtOnce) {
  writes(kTheirs, "1");
  Hanging source;
  std::chrono::steady_clock::time_point time{1h};
  Standby standby(reader(), seats(here), {kTheirs}, 4, 0ms, [&] { return time; });
  standby.follow({});
  const auto rounds_for = [&](std::chrono::milliseconds length) {
    for (const auto until = time + length; time < until; time += 50ms) standby.round(source);
  };
  rounds_for(Standby::kAskAgainAfter - 100ms);
  EXPECT_EQ(source.asked, 1) << "the worker's own tasks wait meanwhile";
  EXPECT_LE(source.longest, 1s);
  EXPECT_FALSE(standby.behind(kTheirs).has_value());
  source.hangs = false;
  rounds_for(2s);
  EXPECT_GT(source.asked, 10);
  EXPECT_EQ(standby.copies().at(kTheirs).task->next_offset(), 1);
}

TEST_F(StandbyTest, TellsHowFarACopyIsBehindItsOwner) {
  for (const auto* value : {"1", "2", "3"}) writes(kTheirs, value);
  group[kTheirs] = {2, ""};
  MemorySource source(log, {kMine}, group);
  Standby standby(reader(), seats(here), {kMine, kTheirs}, 4, 0ms);
  standby.follow({kMine});
  EXPECT_FALSE(standby.behind(kTheirs).has_value());
  rounds(standby, source);
  EXPECT_EQ(standby.behind(kTheirs), 0);
  group[kTheirs] = {30, ""};  // further than the log can be read
  rounds(standby, source);
  EXPECT_EQ(standby.behind(kTheirs), 27);
  EXPECT_FALSE(standby.behind(kMine).has_value());
}

// A source that takes its input away again at the second poll.
class Revoking final : public Source {
 public:
  Revoking(MemoryLog& log, Input input) : log_(log), input_(input) {}
  void listen(Listener listener) override { listener_ = std::move(listener); }
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override {
    if (++polls_ > 1) {
      listener_.revoked({input_});
      return {};
    }
    TRY(listener_.assigned({input_}));
    log_.read(input_, 0, 100, wait, records);
    return {};
  }
  Result<std::optional<Committed>> committed(const Input& /*input*/) override { return std::nullopt; }
  Result<void> commit(const std::map<Input, Committed>& /*positions*/) override { return {}; }

 private:
  MemoryLog& log_;
  Input input_;
  Listener listener_;
  int polls_ = 0;
};

class FullStore final : public MemoryStore {
 public:
  Result<void> write(const StoreBatch& /*batch*/) override { return fail(Reaction::stop, "the disk is full"); }
};

TEST_F(StandbyTest, WhatIsTakenAwayGoesOnAsACopyUnlessItCouldNotBeSaved) {
  writes(kTheirs, "1");
  for (const bool full : {false, true}) {
    SCOPED_TRACE(full);
    here.clear();
    const auto make = [&](const Input& input) -> Result<Seat> {
      auto seat = seats(here)(input);
      if (!full) return seat;
      seat->store = std::make_unique<FullStore>();
      seat->task = std::make_unique<Task>("outlet", input, "d1", *seat->op, *seat->store, sink);
      return seat;
    };
    Standby standby(reader(), make, {kTheirs}, 4, 1h);
    Revoking source(log, kTheirs);
    Worker worker(source, make, calm, {}, &standby);
    ASSERT_TRUE(worker.round().has_value());
    ASSERT_TRUE(worker.round().has_value());
    // An operator takes for saved what it gave to a write that failed: its memory and its disk have parted.
    EXPECT_EQ(standby.copies().contains(kTheirs), !full);
  }
}

// ---- catching up without a standby -----------------------------------------------------------------------------------

class SilenceTest : public StandbyTest {
 protected:
  void run(Source& source) {
    Worker worker(source, seats(here), calm);
    ASSERT_TRUE(worker.round().has_value());
    ASSERT_TRUE(worker.commit_all().has_value());
  }
};

TEST_F(SilenceTest, AStateThatIsLostCatchesUpWithTheGroupInSilence) {
  for (const auto* value : {"1", "2", "3"}) writes(kTheirs, value);
  MemorySource first(log, {kTheirs}, group);
  run(first);
  ASSERT_EQ(said().size(), 3U);
  here.clear();
  writes(kTheirs, "4");
  MemorySource second(log, {kTheirs}, group);
  run(second);
  EXPECT_EQ(said(), (std::vector<std::string>{"outlet/1/0/0", "outlet/1/1/0", "outlet/1/2/0", "outlet/1/3/0"}));
  EXPECT_EQ(group.at(kTheirs).offset, 4);
}

TEST_F(SilenceTest, TheGroupsOffsetIsNotTakenBackWhileCatchingUp) {
  for (const auto* value : {"1", "2", "3"}) writes(kTheirs, value);
  group[kTheirs] = {3, "before"};
  MemorySource source(log, {kTheirs}, group, 1);
  Worker worker(source, seats(here), {0ms, 0ms, 1});
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(group.at(kTheirs).metadata, "before");
  EXPECT_TRUE(here.at(kTheirs)->contains("sum")) << "the state is saved on the way";
  ASSERT_TRUE(worker.round().has_value());
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_NE(group.at(kTheirs).metadata, "before");
  EXPECT_TRUE(said().empty());
}

TEST_F(SilenceTest, WithoutAGroupsOffsetItsOwnLastWordsCount) {
  for (const auto* value : {"1", "2", "3"}) writes(kTheirs, value);
  MemorySource first(log, {kTheirs}, group);
  run(first);
  here.clear();
  group.clear();
  // Others speak there too.
  log.append({Topic::deltas, 0, 5, "", "x", Cause{"outlet/7", {90, 0}}, std::nullopt});
  writes(kTheirs, "4");
  MemorySource second(log, {kTheirs}, group);
  run(second);
  EXPECT_EQ(said(), (std::vector<std::string>{"outlet/1/0/0", "outlet/1/1/0", "outlet/1/2/0", "outlet/7/90/0", "outlet/1/3/0"}));
}

TEST_F(SilenceTest, ByOrderItSpeaksAgain) {
  for (const auto* value : {"1", "2", "3"}) writes(kTheirs, value);
  MemorySource first(log, {kTheirs}, group);
  run(first);
  here.clear();
  MemorySource second(log, {kTheirs}, group);
  Worker worker(second, [this](const Input& input) {
    auto seat = seats(here)(input);
    seat->speak_from = 1;
    return seat;
  }, calm);
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(said(), (std::vector<std::string>{"outlet/1/0/0", "outlet/1/1/0", "outlet/1/2/0", "outlet/1/1/0", "outlet/1/2/0"}));
}

TEST_F(SilenceTest, ALogWhoseHeadIsGoneIsNotComputedFromAPart) {
  MemoryLog short_log({true, 0});  // what is read is gone
  for (const auto* value : {"1", "2"}) short_log.append({Topic::ledger, 1, 5, "", value, std::nullopt, std::nullopt});
  std::vector<InRecord> records;
  short_log.read(kTheirs, 0, 1, 0ms, records);
  MemorySource source(short_log, {kTheirs}, group);
  Worker worker(source, seats(here), calm);
  const auto round = worker.round();
  ASSERT_FALSE(round.has_value());
  EXPECT_EQ(round.error().reaction, Reaction::stop);
  EXPECT_NE(round.error().what.find("PARTIAL"), std::string::npos) << round.error().what;
}

TEST_F(SilenceTest, ALogThatEndsBeforeWhatTheGroupReadWasTruncated) {
  writes(kTheirs, "1");
  group[kTheirs] = {5, ""};
  MemorySource source(log, {kTheirs}, group);
  Worker worker(source, seats(here), calm);
  const auto round = worker.round();
  ASSERT_FALSE(round.has_value());
  EXPECT_EQ(round.error().reaction, Reaction::stop);
  EXPECT_NE(round.error().what.find("truncated"), std::string::npos) << round.error().what;
}

}  // namespace
}  // namespace fiverate::test
