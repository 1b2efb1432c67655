// The engine: what it reads goes to the right task, it commits only at boundaries, gives up what is revoked, ends with
// errors.
#include "processors/stream/worker.h"

#include <gtest/gtest.h>

#include <thread>

#include "processors/stream/base64.h"
#include "processors/stream/memory_store.h"
#include "tests/stream/fake_operator.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;
using Values = std::vector<std::string>;

const Input kFirst{Topic::ledger, 0};
const Input kSecond{Topic::ledger, 1};

class WorkerTest : public testing::Test {
 protected:
  void writes(const Input& input, const std::string& value) {
    log.append({input.topic, input.partition, 5, "", value, std::nullopt, std::nullopt});
  }
  MakeSeat seats() {
    return [this](const Input& input) -> Result<Seat> {
      Seat seat;
      auto& content = contents[input];
      if (!content) content = std::make_shared<MemoryStore::Content>();
      seat.store = std::make_unique<MemoryStore>(content);
      auto adder = std::make_unique<Adder>();
      adders[input] = adder.get();
      seat.op = std::move(adder);
      seat.task = std::make_unique<Task>("outlet", input, "d1", *seat.op, *seat.store, sink);
      return seat;
    };
  }
  std::string saved_sum(const Input& input) {
    return contents.at(input)->contains("sum") ? contents.at(input)->at("sum") : "-";
  }

  MemoryLog log;
  MemorySink sink{log};
  MemorySource::GroupOffsets group;
  std::map<Input, std::shared_ptr<MemoryStore::Content>> contents;
  std::map<Input, Adder*> adders;
  // Commits never come by themselves, unless a test wants them to.
  const WorkerOptions calm{0ms, 1h, 1'000'000};
};

TEST_F(WorkerTest, EachTaskFoldsItsOwnPartition) {
  writes(kFirst, "1");
  writes(kSecond, "10");
  writes(kFirst, "2");
  log.close(kFirst);
  log.close(kSecond);
  MemorySource source(log, {kFirst, kSecond}, group);
  Worker worker(source, seats(), calm);
  ASSERT_TRUE(worker.run({}).has_value());
  EXPECT_EQ(saved_sum(kFirst), "3");
  EXPECT_EQ(saved_sum(kSecond), "10");
  EXPECT_EQ(group.at(kFirst).offset, 2);
}

TEST_F(WorkerTest, GoesOnWhereTheStateStandsWhateverTheGroupSays) {
  writes(kFirst, "1");
  log.close(kFirst);
  for (int i = 0; i < 3; ++i) {
    MemorySource source(log, {kFirst}, group);
    Worker worker(source, seats(), calm);
    ASSERT_TRUE(worker.run({}).has_value());
    group.clear();
  }
  EXPECT_EQ(saved_sum(kFirst), "1");
}

TEST_F(WorkerTest, TellsAGroupThatHasNotHeardHowFarTheStateIs) {
  writes(kFirst, "1");
  writes(kFirst, "2");
  const auto work = [&] {
    MemorySource source(log, {kFirst}, group);
    Worker worker(source, seats(), {0ms, 0ms, 1'000'000});
    ASSERT_TRUE(worker.round().has_value());
    ASSERT_TRUE(worker.round().has_value());
  };
  work();
  ASSERT_EQ(group.at(kFirst).offset, 2);
  group[kFirst] = {1, ""};  // the last commit was not heard, for the broker was away; and nothing else comes
  work();
  EXPECT_EQ(group.at(kFirst).offset, 2);
  group.clear();
  work();
  EXPECT_EQ(group.at(kFirst).offset, 2);
}

TEST_F(WorkerTest, CommitsAfterSoManyRecordsButOnlyAtABoundary) {
  for (const auto* value : {"1", "hold", "2", "3", "end", "4"}) writes(kFirst, value);
  MemorySource source(log, {kFirst}, group, 1);
  Worker worker(source, seats(), {0ms, 1h, 2});
  Values seen;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(*worker.round());
    seen.push_back(saved_sum(kFirst));
  }
  EXPECT_EQ(seen, (Values{"-", "-", "-", "-", "6", "6"})) << "due at the second record, possible at the fifth";
  EXPECT_EQ(group.at(kFirst).offset, 5);
}

TEST_F(WorkerTest, CommitsInTimeEvenIfLittleMoves) {
  writes(kFirst, "1");
  MemorySource source(log, {kFirst}, group);
  Worker worker(source, seats(), {0ms, 0ms, 1'000'000});
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(saved_sum(kFirst), "1");
  EXPECT_NE(group.at(kFirst).metadata.find("\"clock_ms\":1"), std::string::npos)
      << "and tells the group how it is doing";
}

TEST_F(WorkerTest, InSilenceCommitsAfterFewerRecordsAndOnceItSpeaksAtTheUsualPace) {
  for (int i = 0; i < 4; ++i) writes(kFirst, "1");
  {
    MemorySource source(log, {kFirst}, group);
    Worker worker(source, seats(), {0ms, 0ms, 1'000'000});
    ASSERT_TRUE(worker.round().has_value());
  }
  ASSERT_EQ(group.at(kFirst).offset, 4);
  contents.clear();  // the disk is lost
  for (int i = 0; i < 3; ++i) writes(kFirst, "1");
  MemorySource source(log, {kFirst}, group, 1);
  Worker worker(source, seats(), {0ms, 1h, 20, 2});
  Values seen;
  for (int i = 0; i < 7; ++i) {
    ASSERT_TRUE(*worker.round());
    seen.push_back(saved_sum(kFirst));
  }
  EXPECT_EQ(seen, (Values{"-", "2", "2", "2", "2", "2", "2"})) << "the fourth record ends the silence";
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(saved_sum(kFirst), "7");
}

TEST_F(WorkerTest, InSilenceCommitsATenthAsOften) {
  for (int i = 0; i < 3; ++i) writes(kFirst, "1");
  {
    MemorySource source(log, {kFirst}, group);
    Worker worker(source, seats(), {0ms, 0ms, 1'000'000});
    ASSERT_TRUE(worker.round().has_value());
  }
  contents.clear();
  MemorySource source(log, {kFirst}, group, 1);
  constexpr auto kOften = 100ms;  // ten times that is longer than anything here takes
  Worker worker(source, seats(), {0ms, kOften, 1'000'000});
  Values seen;
  for (int i = 0; i < 4; ++i) {
    std::this_thread::sleep_for(kOften);
    ASSERT_TRUE(worker.round().has_value());
    seen.push_back(saved_sum(kFirst));
  }
  EXPECT_EQ(seen, (Values{"-", "-", "3", "3"})) << "the third record ends the silence";
}

TEST_F(WorkerTest, AnErrorEndsTheRunAndLeavesTheStateAsCommitted) {
  for (const auto* value : {"1", "fail", "2"}) writes(kFirst, value);
  log.close(kFirst);
  MemorySource source(log, {kFirst}, group);
  Worker worker(source, seats(), {0ms, 1h, 1});
  const auto run = worker.run({});
  ASSERT_FALSE(run.has_value());
  EXPECT_EQ(run.error().reaction, Reaction::drop_task);
  EXPECT_EQ(saved_sum(kFirst), "1");
}

TEST_F(WorkerTest, ATaskThatCannotBeMadeEndsTheRun) {
  MemorySource source(log, {kFirst}, group);
  Worker worker(
      source, [](const Input&) -> Result<Seat> { return fail(Reaction::stop, "no disk"); }, calm);
  EXPECT_EQ(worker.run({}).error().reaction, Reaction::stop);
}

TEST_F(WorkerTest, ATaskWhoseStoreIsHeldWaitsAndTheOthersGoOn) {
  for (const auto* value : {"1", "2"}) {
    writes(kFirst, value);
    writes(kSecond, value);
  }
  MemorySource source(log, {kFirst, kSecond}, group);
  int held_for = 3;
  Worker worker(
      source,
      [&](const Input& input) -> Result<Seat> {
        if (input == kSecond && held_for-- > 0) return fail(Reaction::wait, "in use by another process");
        return seats()(input);
      },
      calm);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(worker.round().has_value());
    EXPECT_FALSE(worker.seats().contains(kSecond));
  }
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(saved_sum(kFirst), "3");
  group[kSecond] = {1, ""};  // whoever held it has come so far meanwhile
  ASSERT_TRUE(worker.round().has_value());
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(saved_sum(kSecond), "3");
  EXPECT_EQ(saved_sum(kFirst), "3") << "not read again";
}

TEST_F(WorkerTest, StopsWhenAsked) {
  MemorySource source(log, {kFirst}, group);
  std::stop_source stop;
  int rounds = 0;
  Worker worker(source, seats(), calm, [&](const std::map<Input, Seat>& seated) -> Result<void> {
    EXPECT_EQ(seated.size(), 1U);
    if (++rounds == 3) stop.request_stop();
    return {};
  });
  EXPECT_TRUE(worker.run(stop.get_token()).has_value());
  EXPECT_EQ(rounds, 3);
}

// A source whose partitions come and go.
class Group final : public Source {
 public:
  void listen(Listener listener) override { listener_ = std::move(listener); }
  Result<void> poll(std::chrono::milliseconds, std::vector<InRecord>& records) override {
    if (next_) TRY(next_(listener_, records));
    next_ = {};
    return {};
  }
  Result<std::optional<Committed>> committed(const Input&) override { return std::nullopt; }
  Result<void> commit(const std::map<Input, Committed>& positions) override {
    for (const auto& [input, position] : positions) commits.emplace_back(input, position.offset);
    return {};
  }
  using Happening = std::function<Result<void>(Listener&, std::vector<InRecord>&)>;
  void then(Happening happening) { next_ = std::move(happening); }
  std::vector<std::pair<Input, std::int64_t>> commits;

 private:
  Listener listener_;
  Happening next_;
};

TEST_F(WorkerTest, CommitsWhatIsRevokedAndIgnoresWhatIsStillOnItsWay) {
  writes(kFirst, "1");
  writes(kFirst, "2");
  std::vector<InRecord> in_log;
  log.read(kFirst, 0, 10, 0ms, in_log);
  Group source;
  Worker worker(source, seats(), calm);
  source.then([&](Source::Listener& listener, std::vector<InRecord>& records) -> Result<void> {
    TRY(listener.assigned({kFirst}));
    records.push_back(in_log[0]);
    return {};
  });
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_TRUE(source.commits.empty());
  source.then([&](Source::Listener& listener, std::vector<InRecord>& records) -> Result<void> {
    listener.revoked({kFirst});
    records.push_back(in_log[1]);  // fetched before
    return {};
  });
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(source.commits, (std::vector<std::pair<Input, std::int64_t>>{{kFirst, 1}}));
  EXPECT_EQ(saved_sum(kFirst), "1");
  EXPECT_TRUE(worker.seats().empty());
}

// An outlet task under load is between two boundaries whenever the clock says "now".
TEST_F(WorkerTest, WhatIsDueBetweenBoundariesIsCommittedAtTheNextOne) {
  for (const auto* value : {"1", "hold", "2"}) writes(kFirst, value);
  MemorySource source(log, {kFirst}, group);
  Worker worker(source, seats(), calm);
  ASSERT_TRUE(worker.round().has_value());
  ASSERT_TRUE(worker.commit_all().has_value());
  EXPECT_EQ(saved_sum(kFirst), "-");
  for (const auto* value : {"3", "end", "hold", "4"}) writes(kFirst, value);
  ASSERT_TRUE(worker.round().has_value());
  EXPECT_EQ(saved_sum(kFirst), "6");
  EXPECT_EQ(group.at(kFirst).offset, 5);
}

// Says one thing to each of so many partitions, and rejects it.
class Announcer final : public Operator {
 public:
  explicit Announcer(std::int32_t partitions) : partitions_(partitions) {}
  Result<void> open(const Store& /*store*/) override { return {}; }
  Result<void> apply(const InRecord& record, Outbox& outbox) override {
    for (std::int32_t i = 0; i < partitions_; ++i) outbox.to_task(Topic::ledger, i, 0, "", std::string(record.value));
    for (std::int32_t i = 0; i < std::max(partitions_, 16); ++i)
      outbox.to_result(Topic::quarantine, i, 0, "", std::string(record.value));
    return {};
  }
  bool at_boundary() const override { return true; }
  void save(StoreBatch& batch) override { batch.put("arrival", std::to_string(1'790'000'000'000)); }
  Millis clock() const override { return 0; }

 private:
  std::int32_t partitions_;
};

// A result partition that has been filled for long.
class FullSink final : public MemorySink {
 public:
  using MemorySink::MemorySink;
  std::optional<Tail> acknowledged(const Input& /*target*/, const std::string& /*sender*/) const override {
    return Tail{10'000'000'000 + commits++, Cause{"deliveries/1023", {10'000'000'000, 0}}};
  }
  mutable std::int64_t commits = 0;
};

TEST(GroupStore, HasRoomForWhatWasSaidTo128PartitionsLongAgo) {
  MemoryLog log;
  const Input input{Topic::deliveries, 1023};
  Announcer announcer(128);
  GroupStore store(std::nullopt);
  FullSink sink(log);
  Task task("deliveries", input, "0123456789abcdef", announcer, store, sink);
  ASSERT_TRUE(task.restore().has_value());
  std::vector<Input> rejections;
  for (std::int32_t i = 0; i < 128; ++i) rejections.push_back({Topic::quarantine, i});
  task.write_with_others(rejections);
  InRecord record{input, 0, 0, "", "x", std::nullopt, std::nullopt, std::nullopt, std::make_shared<int>(0)};
  ASSERT_TRUE(task.process(record).has_value());
  Announcer silent(0);
  ASSERT_TRUE(task.commit().has_value());
  Task later("deliveries", input, "0123456789abcdef", silent, store, sink);
  ASSERT_TRUE(later.restore().has_value());
  later.write_with_others(rejections);
  record.offset = 10'000'000'000;
  ASSERT_TRUE(later.process(record).has_value());
  ASSERT_TRUE(later.commit().has_value());
  EXPECT_LT(store.group_text()->size() + later.status().size(), 4096U);
  GroupStore read(Committed{10'000'000'001, *store.group_text() + " " + later.status()});
  Task again("deliveries", input, "0123456789abcdef", silent, read, sink);
  ASSERT_TRUE(again.restore().has_value());
  EXPECT_EQ(again.acknowledged()->size(), 128U);
  EXPECT_EQ(again.acknowledged()->at({Topic::ledger, 127}), (CausePosition{0, 127}));
}

TEST(Base64, BringsEveryTextBack) {
  std::string bytes;
  for (int i = 0; i < 600; ++i) {
    const auto text = to_base64(bytes);
    EXPECT_EQ(text.find_first_of(" \n"), std::string::npos);
    EXPECT_EQ(from_base64(text), bytes) << i;
    bytes += static_cast<char>(i * 7);
  }
  for (const auto* rubbish : {"a", "abc", "ab=c", "a===", "====", " abc", "abc ", "ab\nc", "\xff\xff\xff\xff"}) {
    EXPECT_EQ(from_base64(rubbish), std::nullopt) << rubbish;
  }
}

TEST(GroupStore, TravelsAsText) {
  GroupStore store(std::nullopt);
  StoreBatch batch;
  batch.put("arrival", "123");
  batch.put("task", std::string("\0 = \xff", 5));
  batch.put("gone", "x");
  batch.erase("gone");
  ASSERT_TRUE(store.write(batch).has_value());
  GroupStore next(Committed{7, *store.group_text()});
  EXPECT_EQ(**next.get("arrival"), "123");
  EXPECT_EQ(**next.get("task"), std::string("\0 = \xff", 5));
  EXPECT_EQ(*next.get("gone"), std::nullopt);
  GroupStore of_rubbish(Committed{7, "{\"clock_ms\":1}"});
  EXPECT_EQ(*of_rubbish.get("arrival"), std::nullopt) << "a text of another kind says nothing";
}

}  // namespace
}  // namespace fiverate::test
