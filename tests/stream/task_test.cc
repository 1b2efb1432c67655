// The promises of a task: a repetition is dropped, a gap is waited for, a divergence stops, a store of something else
// is refused.
#include "processors/stream/task.h"

#include <gtest/gtest.h>

#include "processors/stream/continuation.h"
#include "schemas/format.h"
#include "tests/stream/fake_operator.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;

const Input kLedger{Topic::ledger, 0};
const Input kDeltas{Topic::deltas, 0};

std::vector<InRecord> read(MemoryLog& log, const Input& input, std::int64_t offset = 0) {
  std::vector<InRecord> records;
  log.read(input, offset, 1000, 0ms, records);
  return records;
}

// An adder behind a task, over a log; dropped and made anew at will.
struct Process {
  Process(MemoryLog& log, std::string stage, Input from, std::shared_ptr<MemoryStore::Content> content,
          std::string definition = "d1")
      : store(std::move(content)), sink(log), task(std::move(stage), from, std::move(definition), adder, store, sink) {}

  Result<void> process(const std::vector<InRecord>& records) {
    for (const auto& record : records) FIVERATE_TRY(task.process(record));
    return {};
  }

  Adder adder;
  MemoryStore store;
  MemorySink sink;
  Task task;
};

class TaskTest : public testing::Test {
 protected:
  void writes(const std::string& value) { log.append({Topic::ledger, 0, 5, "", value, std::nullopt, std::nullopt}); }
  std::vector<std::string> values_of(const Input& input) {
    std::vector<std::string> values;
    for (const auto& record : read(log, input)) values.emplace_back(record.value);
    return values;
  }

  MemoryLog log;
  std::shared_ptr<MemoryStore::Content> content = std::make_shared<MemoryStore::Content>();
};

using Values = std::vector<std::string>;

// ---- what is sent ---------------------------------------------------------------------------------------------------

TEST_F(TaskTest, EveryOutputCarriesItsCauseAndItsLinkToTheOneBefore) {
  writes("2");
  writes("1");
  writes("1");
  Process one(log, "outlet", kLedger, content);
  ASSERT_TRUE(one.process(read(log, kLedger)).has_value());
  const auto sent = read(log, {Topic::deltas, 1});
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(to_text(*sent[0].cause), "outlet/0/0/1");
  EXPECT_EQ(to_text(sent[0].link->previous), "-");
  EXPECT_EQ(to_text(*sent[1].cause), "outlet/0/2/1");
  EXPECT_EQ(to_text(sent[1].link->previous), "0/1") << "what went to the other partition is not in this chain";
  EXPECT_EQ(sent[1].link->chain, chained(0, "", "2"));
  const auto results = read(log, {Topic::metrics_final, 0});
  EXPECT_FALSE(results[0].link.has_value());
  EXPECT_EQ(one.task.counters().outputs, 3 + 2 + 3);
}

// ---- what is received -----------------------------------------------------------------------------------------------

class Receiver : public TaskTest {
 protected:
  Receiver() {
    for (const auto* value : {"2", "4", "6", "8"}) writes(value);
    Process sender(log, "outlet", kLedger, content);
    EXPECT_TRUE(sender.process(read(log, kLedger)).has_value());
    sent = read(log, kDeltas);  // 2 6 12 20
  }
  // At the next offset of what is received.
  InRecord again(std::size_t which) {
    auto record = sent[which];
    record.offset = next++;
    return record;
  }
  Result<void> receives(std::initializer_list<std::size_t> which) {
    for (const auto one : which) FIVERATE_TRY(market.task.process(again(one)));
    return {};
  }

  std::vector<InRecord> sent;
  std::int64_t next = 0;
  std::shared_ptr<MemoryStore::Content> market_content = std::make_shared<MemoryStore::Content>();
  Process market{log, "market", kDeltas, market_content};
};

TEST_F(Receiver, DropsRepetitions) {
  ASSERT_TRUE(receives({0, 1, 0, 1, 2, 2, 3}).has_value());
  EXPECT_EQ(market.adder.applied, (Values{"2", "6", "12", "20"}));
  EXPECT_EQ(market.task.counters().repetitions, 3);
  EXPECT_EQ(market.task.counters().gaps, 0);
}

TEST_F(Receiver, AppliesNothingBehindAGapUntilItIsFilled) {
  ASSERT_TRUE(receives({0, 2, 3}).has_value());
  EXPECT_EQ(market.adder.applied, (Values{"2"}));
  EXPECT_EQ(market.task.counters().gaps, 2);
  EXPECT_EQ(market.task.lacks(), fmt::format("outlet-0:{}", sent[0].cause->position.offset));
  ASSERT_TRUE(receives({0, 1, 2, 3}).has_value());
  EXPECT_EQ(market.task.lacks(), "");
  EXPECT_EQ(market.adder.applied, (Values{"2", "6", "12", "20"}));
  EXPECT_EQ(market.task.counters().repetitions, 1);
}

TEST_F(Receiver, RemembersWhatItHasSeenOverARestart) {
  ASSERT_TRUE(receives({0, 1}).has_value());
  ASSERT_TRUE(market.task.commit().has_value());
  Process restarted(log, "market", kDeltas, market_content);
  const auto begin = restarted.task.restore();
  ASSERT_EQ(*begin, 1);
  ASSERT_TRUE(restarted.task.process(sent[1]).has_value()) << "the record before, to compare it";
  for (const auto which : {1, 2})
    ASSERT_TRUE(restarted.task.process(again(static_cast<std::size_t>(which))).has_value());
  EXPECT_EQ(restarted.adder.applied, (Values{"12"}));
}

TEST_F(Receiver, StopsAtTheNextNewRecordWhenTheSenderDidNotRepeatItself) {
  ASSERT_TRUE(receives({0, 1}).has_value());
  // The sender starts anew from nothing, and says something else this time.
  MemoryLog other_log;
  Process liar(other_log, "outlet", kLedger, std::make_shared<MemoryStore::Content>());
  liar.adder.lie = 1;
  ASSERT_TRUE(liar.process(read(log, kLedger)).has_value());
  const auto told = read(other_log, kDeltas);
  for (std::size_t i = 0; i < 3; ++i) {
    auto record = told[i];
    record.offset = next++;
    const auto processed = market.task.process(record);
    EXPECT_EQ(processed.has_value(), i < 2) << i << ": repetitions are dropped unread";
    if (i == 2) {
      EXPECT_EQ(processed.error().reaction, Reaction::stop);
    }
  }
  EXPECT_EQ(market.adder.applied, (Values{"2", "6"})) << "nothing was applied";
}

TEST_F(Receiver, KeepsSendersApart) {
  ASSERT_TRUE(receives({0}).has_value());
  auto other = again(0);
  other.cause->sender = "outlet/1";
  ASSERT_TRUE(market.task.process(other).has_value());
  EXPECT_EQ(market.adder.applied.size(), 2U);
}

TEST_F(Receiver, NoticesWhatItLacksByWhatOthersSayWasSaid) {
  const auto progress = [&](const std::vector<Cause>& said) {
    InRecord record{kDeltas, next++, 5, "", "0", std::nullopt, std::nullopt, std::nullopt, sent[0].owner, said};
    EXPECT_TRUE(market.task.process(record).has_value());
  };
  ASSERT_TRUE(receives({0, 1}).has_value());
  progress({*sent[1].cause});
  EXPECT_EQ(market.adder.applied, (Values{"2", "6", "0"}));
  progress({*sent[0].cause, Cause{"outlet/7", {4, 0}}});
  EXPECT_EQ(market.adder.applied.size(), 3U) << "of outlet/7 nothing has come";
  EXPECT_EQ(market.task.counters().gaps, 1);
  EXPECT_EQ(market.task.lacks(), "outlet-7:0");
  progress({*sent[2].cause});
  EXPECT_EQ(market.adder.applied.size(), 3U);
  EXPECT_EQ(market.task.lacks(), fmt::format("outlet-0:{},outlet-7:0", sent[1].cause->position.offset));
  ASSERT_TRUE(receives({2}).has_value());
  EXPECT_EQ(market.task.lacks(), "outlet-7:0");
  progress({*sent[2].cause});
  EXPECT_EQ(market.adder.applied, (Values{"2", "6", "0", "12", "0"}));
}

TEST_F(Receiver, AppliesNothingThatNeedsWhatHasNotCome) {
  auto record = again(0);
  record.said = {Cause{"reference/0", {3, 0}}};
  ASSERT_TRUE(market.task.process(record).has_value());
  ASSERT_TRUE(receives({1}).has_value());
  EXPECT_TRUE(market.adder.applied.empty()) << "nor what comes behind it";
  EXPECT_EQ(market.task.counters().gaps, 2);
  auto copy = again(0);
  copy.link = Link{{-1, 0}, 0};
  copy.cause = Cause{"reference/0", {3, 5}};
  ASSERT_TRUE(market.task.process(copy).has_value());
  record.offset = next++;
  ASSERT_TRUE(market.task.process(record).has_value());
  EXPECT_EQ(market.adder.applied, (Values{"2", "2"}));
}

TEST_F(TaskTest, WhatIsAcknowledgedIsThatOfTheLastCommit) {
  writes("2");
  writes("1");
  Process one(log, "outlet", kLedger, content);
  const auto records = read(log, kLedger);
  ASSERT_TRUE(one.process({records[0]}).has_value());
  EXPECT_TRUE(one.task.acknowledged()->empty());
  ASSERT_TRUE(one.task.commit().has_value());
  const Task::Acknowledged after_first{{kDeltas, {0, 0}}, {{Topic::deltas, 1}, {0, 1}}};
  EXPECT_EQ(*one.task.acknowledged(), after_first);
  ASSERT_TRUE(one.process({records[1]}).has_value());
  EXPECT_EQ(*one.task.acknowledged(), after_first);
  Process restarted(log, "outlet", kLedger, content);
  ASSERT_TRUE(restarted.task.restore().has_value());
  EXPECT_EQ(*restarted.task.acknowledged(), after_first);
}

// ---- restart --------------------------------------------------------------------------------------------------------

TEST_F(TaskTest, ARestartSaysTheSameAgain) {
  for (const auto* value : {"1", "2", "3", "4"}) writes(value);
  {
    Process first(log, "outlet", kLedger, content);
    const auto records = read(log, kLedger);
    ASSERT_TRUE(first.process({records[0], records[1]}).has_value());
    ASSERT_TRUE(first.task.commit().has_value());
    ASSERT_TRUE(first.process({records[2], records[3]}).has_value());
  }  // a crash: two records have been folded since the commit
  Process second(log, "outlet", kLedger, content);
  const auto begin = second.task.restore();
  ASSERT_EQ(*begin, 1);
  ASSERT_TRUE(second.process(read(log, kLedger, *begin)).has_value());
  EXPECT_EQ(second.adder.applied, (Values{"3", "4"}));
  const auto sent = read(log, kDeltas);
  ASSERT_EQ(sent.size(), 6U);
  for (const auto i : {2U, 3U}) {
    EXPECT_EQ(sent[i].value, sent[i + 2].value);
    EXPECT_EQ(to_text(*sent[i].cause), to_text(*sent[i + 2].cause));
    EXPECT_EQ(sent[i].link->chain, sent[i + 2].link->chain);
  }
}

TEST_F(TaskTest, StopsWhenTheLogHoldsAnotherRecordThanTheOneItRead) {
  writes("1");
  Process first(log, "outlet", kLedger, content);
  ASSERT_TRUE(first.process(read(log, kLedger)).has_value());
  ASSERT_TRUE(first.task.commit().has_value());
  for (const auto& [timestamp, value] : std::vector<std::pair<Millis, std::string>>{{5, "9"}, {6, "1"}}) {
    MemoryLog made_anew;
    made_anew.append({Topic::ledger, 0, timestamp, "", value, std::nullopt, std::nullopt});
    Process second(made_anew, "outlet", kLedger, content);
    const auto processed = second.process(read(made_anew, kLedger, *second.task.restore()));
    ASSERT_FALSE(processed.has_value()) << value;
    EXPECT_EQ(processed.error().reaction, Reaction::stop);
  }
}

TEST_F(TaskTest, TheFingerprintStaysOverACommitWithoutNewRecords) {
  writes("1");
  Process first(log, "outlet", kLedger, content);
  ASSERT_TRUE(first.process(read(log, kLedger)).has_value());
  ASSERT_TRUE(first.task.commit().has_value());
  Process second(log, "outlet", kLedger, content);
  ASSERT_TRUE(second.process(read(log, kLedger, *second.task.restore())).has_value());
  ASSERT_TRUE(second.task.commit().has_value());
  Process third(log, "outlet", kLedger, content);
  EXPECT_TRUE(third.process(read(log, kLedger, *third.task.restore())).has_value());
}

TEST_F(TaskTest, RefusesTheStoreOfAnotherTaskOrDefinition) {
  writes("1");
  Process first(log, "outlet", kLedger, content);
  ASSERT_TRUE(first.process(read(log, kLedger)).has_value());
  ASSERT_TRUE(first.task.commit().has_value());
  Process other_task(log, "outlet", {Topic::ledger, 1}, content);
  EXPECT_EQ(other_task.task.restore().error().reaction, Reaction::stop);
  Process other_stage(log, "market", kLedger, content);
  EXPECT_EQ(other_stage.task.restore().error().reaction, Reaction::stop);
  Process other_definition(log, "outlet", kLedger, content, "d2");
  EXPECT_EQ(other_definition.task.restore().error().reaction, Reaction::stop);
  Process same(log, "outlet", kLedger, content);
  EXPECT_EQ(*same.task.restore(), 0);
}

TEST_F(TaskTest, RefusesADamagedState) {
  (*content)["task"] = "\xff\xff";
  Process one(log, "outlet", kLedger, content);
  EXPECT_EQ(one.task.restore().error().reaction, Reaction::stop);
}

// ---- silence --------------------------------------------------------------------------------------------------------

TEST_F(TaskTest, ARebuiltTaskIsSilentUpToTheTailOfItsResults) {
  for (const auto* value : {"1", "2", "3"}) writes(value);
  {
    Process first(log, "outlet", kLedger, content);
    const auto records = read(log, kLedger);
    ASSERT_TRUE(first.process({records[0], records[1]}).has_value());
  }
  Process rebuilt(log, "outlet", kLedger, std::make_shared<MemoryStore::Content>());
  ASSERT_EQ(*rebuilt.task.restore(), 0);
  ASSERT_TRUE(rebuilt.task.read_tails({Topic::metrics_final}).has_value());
  ASSERT_TRUE(rebuilt.process(read(log, kLedger)).has_value());
  EXPECT_EQ(values_of({Topic::metrics_final, 0}), (Values{"1", "3", "6"})) << "nothing twice, nothing missing";
  EXPECT_EQ(values_of(kDeltas), (Values{"1", "3", "1", "3", "6"})) << "to tasks it says all of it again";
}

// ---- facts alone ----------------------------------------------------------------------------------------------------

class FactsAlone : public TaskTest {
 protected:
  // One that has lost nothing says all of this; after three records, the group is told how to go on.
  FactsAlone() {
    for (const auto* value : {"1", "2", "3", "4", "5"}) writes(value);
    Process first(log, "outlet", kLedger, content);
    const auto records = read(log, kLedger);
    EXPECT_TRUE(first.process({records[0], records[1], records[2]}).has_value());
    continuation = *continuation_in(first.task.continuation_text());
    EXPECT_TRUE(first.process({records[3], records[4]}).has_value());
    said = read(log, kDeltas);
  }
  // The deltas behind those of the first, with their links.
  std::vector<std::string> said_by_others(std::size_t from) {
    std::vector<std::string> lines;
    for (const auto& record : read(log, kDeltas, static_cast<std::int64_t>(from))) lines.push_back(line_of(record));
    return lines;
  }
  static std::string line_of(const InRecord& record) {
    return fmt::format("{} {} {:x} {}", to_text(*record.cause), to_text(record.link->previous), record.link->chain, record.value);
  }

  std::vector<InRecord> said;
  Continuation continuation;
  std::shared_ptr<MemoryStore::Content> lost = std::make_shared<MemoryStore::Content>();
};

TEST_F(FactsAlone, GoesOnAsIfItHadSaidAllItself) {
  Process rebuilt(log, "outlet", kLedger, lost);
  rebuilt.task.catch_up(continuation);
  EXPECT_TRUE(rebuilt.task.is_silent());
  const auto records = read(log, kLedger);
  ASSERT_TRUE(rebuilt.process({records[0], records[1]}).has_value());
  EXPECT_EQ(rebuilt.adder.count(), 0) << "nothing is worked out";
  EXPECT_EQ(rebuilt.task.continuation_text(), "") << "nobody could go on from here";
  ASSERT_TRUE(rebuilt.process({records[2], records[3], records[4]}).has_value());
  EXPECT_FALSE(rebuilt.task.is_silent());
  EXPECT_EQ(rebuilt.adder.count(), 5);
  EXPECT_EQ(said_by_others(5), (Values{line_of(said[3]), line_of(said[4])}));
}

TEST_F(FactsAlone, ARestartOnTheWayStaysSilentWhateverTheGroupRemembers) {
  const auto records = read(log, kLedger);
  {
    Process rebuilt(log, "outlet", kLedger, lost);
    rebuilt.task.catch_up(continuation);
    ASSERT_TRUE(rebuilt.process({records[0]}).has_value());
    ASSERT_TRUE(rebuilt.task.commit().has_value());
  }
  Process again(log, "outlet", kLedger, lost);
  ASSERT_EQ(*again.task.restore(), 0);
  EXPECT_TRUE(again.task.is_silent());
  ASSERT_TRUE(again.process(records).has_value());
  EXPECT_EQ(said_by_others(5), (Values{line_of(said[3]), line_of(said[4])}));
  EXPECT_EQ(again.adder.count(), 5);
}

TEST_F(FactsAlone, ALaterOneTakesThePlaceOfOneThatIsNotReached) {
  Process other(log, "outlet", kLedger, std::make_shared<MemoryStore::Content>());
  const auto records = read(log, kLedger);
  ASSERT_TRUE(other.process({records[0]}).has_value());
  const auto earlier = *continuation_in(other.task.continuation_text());
  Process rebuilt(log, "outlet", kLedger, lost);
  rebuilt.task.catch_up(earlier);
  rebuilt.task.catch_up(continuation);
  rebuilt.task.catch_up(earlier);
  const auto before = read(log, kDeltas).size();
  ASSERT_TRUE(rebuilt.process(records).has_value());
  EXPECT_EQ(said_by_others(before), (Values{line_of(said[3]), line_of(said[4])}));
}

TEST_F(FactsAlone, FromWhereTheOperatorNeedsItAllIsWorkedOutUnsaid) {
  continuation.set_facts_until(1);
  Process rebuilt(log, "outlet", kLedger, lost);
  rebuilt.task.catch_up(continuation);
  const auto records = read(log, kLedger);
  ASSERT_TRUE(rebuilt.process({records[0], records[1]}).has_value());
  EXPECT_EQ(rebuilt.adder.count(), 1) << "of the second record";
  EXPECT_EQ(said_by_others(5), Values{});
  ASSERT_TRUE(rebuilt.process({records[2]}).has_value());
  EXPECT_EQ(rebuilt.adder.count(), 3) << "as the first one had counted";
}

TEST_F(FactsAlone, AnotherLogThanTheOneItWasSaidFromStops) {
  MemoryLog made_anew;
  for (const auto* value : {"1", "2", "9", "4", "5"}) {
    made_anew.append({Topic::ledger, 0, 5, "", value, std::nullopt, std::nullopt});
  }
  Process rebuilt(made_anew, "outlet", kLedger, lost);
  rebuilt.task.catch_up(continuation);
  const auto done = rebuilt.process(read(made_anew, kLedger));
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().reaction, Reaction::stop);
  EXPECT_TRUE(read(made_anew, kDeltas).empty());
}

TEST_F(FactsAlone, ALogWithAHoleBeforeTheOffsetChangesNothing) {
  Process rebuilt(log, "outlet", kLedger, lost);
  auto records = read(log, kLedger);
  for (auto& record : records) record.offset += record.offset >= 2 ? 1 : 0;  // as with the marker of a transaction
  continuation.set_offset(5);                                                // two of them
  rebuilt.task.catch_up(continuation);
  ASSERT_TRUE(rebuilt.process({records[0], records[1], records[2]}).has_value());
  EXPECT_TRUE(rebuilt.task.is_silent());
  records[3].offset = 5;
  ASSERT_TRUE(rebuilt.process({records[3]}).has_value());
  EXPECT_EQ(rebuilt.adder.count(), 4);
  EXPECT_EQ(read(log, kDeltas).back().value, said[3].value);
}

TEST(ContinuationText, IsReadOutOfWhatTheGroupKeeps) {
  Continuation continuation;
  continuation.set_offset(7);
  continuation.set_tally(std::string("\0\xff x", 4));
  const auto found = continuation_in(to_group_text(continuation) + R"( {"clock_ms":1})");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->SerializeAsString(), continuation.SerializeAsString());
  for (const auto* text : {"", R"({"clock_ms":1})", "continue=", "continue=0", "continue=zz", "continue=ff"}) {
    const auto none = continuation_in(text);
    EXPECT_TRUE(!none || none->offset() == 0) << text;
  }
}

TEST(ContinuationText, OneThatIsTooLongIsLeftOut) {
  Continuation continuation;
  continuation.set_tally(std::string(kContinuationMax, 'x'));
  EXPECT_EQ(to_group_text(continuation), "");
}

// ---- results of others ----------------------------------------------------------------------------------------------

TEST_F(TaskTest, AResultPartitionOfAnotherTaskStops) {
  log.append({Topic::metrics_final, 0, 0, "", "x", Cause{"outlet/7", {0, 0}}, std::nullopt});
  Process one(log, "outlet", kLedger, content);
  EXPECT_EQ(one.task.read_tails({Topic::metrics_final}).error().reaction, Reaction::stop);
}

// ---- results that are gone

// Knows how far a partition is filled, as Kafka does; may lose an end.
class EndsSink final : public MemorySink {
 public:
  explicit EndsSink(MemoryLog& log) : MemorySink(log), log_(log) {}
  std::int64_t acknowledged_end(const Input& target) const override { return log_.end_offset(target); }
  Result<std::optional<std::int64_t>> end(const Input& target) override {
    return log_.end_offset(target) - (target.topic == Topic::metrics ? lost / 2 : lost);
  }
  std::int64_t lost = 0;

 private:
  MemoryLog& log_;
};

class LostResults : public TaskTest {
 protected:
  // A task of three records; each of the next ones begins where its state stands.
  struct Run {
    Run(MemoryLog& log, std::shared_ptr<MemoryStore::Content> content, std::int64_t lost)
        : store(std::move(content)), sink(log), task("outlet", kLedger, "d1", adder, store, sink) {
      sink.lost = lost;
      EXPECT_TRUE(task.restore().has_value());
      adder.says_latest = true;
      EXPECT_TRUE(task.read_tails({Topic::metrics_final, Topic::metrics}).has_value());
    }
    Adder adder;
    MemoryStore store;
    EndsSink sink;
    Task task;
  };
  LostResults() {
    for (const auto* value : {"1", "2", "3"}) writes(value);
    Run first(log, content, 0);
    for (const auto& record : read(log, kLedger)) EXPECT_TRUE(first.task.process(record).has_value());
    EXPECT_TRUE(first.task.commit().has_value());
    group = *continuation_in(first.task.continuation_text());
  }
  Continuation group;
};

TEST_F(LostResults, AnEndBeforeWhatWasAcknowledgedStopsAndNamesTheOrder) {
  EXPECT_TRUE(Run(log, content, 0).task.check_results().has_value());
  const auto checked = Run(log, content, 1).task.check_results();
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().reaction, Reaction::stop);
  EXPECT_NE(checked.error().what.find("metrics-final partition 0 ends at offset 2 instead of 3"), std::string::npos) << checked.error().what;
  EXPECT_NE(checked.error().what.find("--speak-from outlet-0:2"), std::string::npos) << "the cause of what is there last";
}

TEST_F(LostResults, OneOrderSaysAgainWhatIsGoneFromAll) {
  // A zombie's old row stands last in one of them.
  log.append({Topic::metrics, 0, 5, "sum", "1", Cause{"outlet/0", {0, 2}}, std::nullopt});
  const auto checked = Run(log, content, 4).task.check_results();
  ASSERT_FALSE(checked.has_value());
  for (const auto* topic : {"metrics partition 0", "metrics-final partition 0"}) {
    EXPECT_NE(checked.error().what.find(topic), std::string::npos) << checked.error().what;
  }
  EXPECT_NE(checked.error().what.find("--speak-from outlet-0:0"), std::string::npos) << checked.error().what;
}

TEST_F(LostResults, AnOperatorThatCannotGoOnFromTheGroupLeavesThemThereAllTheSame) {
  Run desk(log, content, 0);
  desk.adder.leaves_nothing = true;
  ASSERT_TRUE(desk.task.commit().has_value());
  const auto left = continuation_in(desk.task.continuation_text());
  ASSERT_TRUE(left.has_value());
  Run other(log, std::make_shared<MemoryStore::Content>(), 1);
  other.task.catch_up(*left);
  EXPECT_FALSE(other.task.is_silent()) << "it is nothing to go on from";
  EXPECT_FALSE(other.task.check_results().has_value());
}

TEST_F(LostResults, WhoeverTakesOverKnowsItFromTheGroup) {
  Run other(log, std::make_shared<MemoryStore::Content>(), 1);
  EXPECT_TRUE(other.task.check_results().has_value()) << "it has no state";
  other.task.catch_up(group);
  EXPECT_FALSE(other.task.check_results().has_value());
}

TEST_F(LostResults, SaidAgainItIsForgottenHowFarTheyWent) {
  {
    Run again(log, content, 1);
    again.task.forget_results();
    EXPECT_TRUE(again.task.check_results().has_value());
    again.sink.lost = 0;
    ASSERT_TRUE(again.task.commit().has_value());
  }
  EXPECT_TRUE(Run(log, content, 0).task.check_results().has_value());
  EXPECT_FALSE(Run(log, content, 1).task.check_results().has_value()) << "and is known anew";
}

// ---- results that were overwritten

class OverwrittenTest : public TaskTest {
 protected:
  // Reads what is there, as one process; the other was cut off before it and wakes up when it is told to.
  struct Market : Process {
    explicit Market(MemoryLog& log) : Process(log, "market", kLedger, std::make_shared<MemoryStore::Content>()) {
      adder.says_latest = true;
      EXPECT_TRUE(task.restore().has_value());
      EXPECT_TRUE(task.read_tails({Topic::metrics}).has_value());
    }
  };
  const Input kResults{Topic::metrics, 0};
};

TEST_F(OverwrittenTest, TheNewerOneIsWrittenAgainOnce) {
  for (const auto* value : {"1", "2", "3"}) writes(value);
  const auto records = read(log, kLedger);
  Market cut_off(log);
  Market owner(log);
  ASSERT_TRUE(owner.process(records).has_value());
  ASSERT_TRUE(owner.task.guard_results().has_value());
  ASSERT_EQ(values_of(kResults), (Values{"1", "3", "6"}));

  ASSERT_TRUE(cut_off.process({records[0], records[1]}).has_value());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(owner.task.guard_results().has_value());
  EXPECT_EQ(values_of(kResults), (Values{"1", "3", "6", "1", "3", "6"}));
  const auto results = read(log, kResults);
  EXPECT_EQ(results.back().cause->position, results[2].cause->position);
  EXPECT_EQ(results.back().timestamp, results[2].timestamp);
  EXPECT_EQ(owner.task.counters().rewritten, 1);

  ASSERT_TRUE(cut_off.process({records[2]}).has_value());
  ASSERT_TRUE(cut_off.task.guard_results().has_value());
  ASSERT_TRUE(owner.task.guard_results().has_value());
  EXPECT_EQ(values_of(kResults).back(), "6");
  EXPECT_EQ(owner.task.counters().rewritten, 1) << "the same again is no older one";
}

TEST_F(OverwrittenTest, WhatHappenedBeforeTheStartIsSeen) {
  for (const auto* value : {"1", "2"}) writes(value);
  const auto records = read(log, kLedger);
  {
    Market cut_off(log);
    Market first(log);
    ASSERT_TRUE(first.process(records).has_value());
    ASSERT_TRUE(cut_off.process({records[0]}).has_value());
  }
  Market next(log);
  ASSERT_TRUE(next.task.guard_results().has_value());
  EXPECT_EQ(values_of(kResults), (Values{"1", "3", "1", "3"}));
}

InRecord result(const std::string& key, const std::string& value, std::int64_t position,
                const std::string& sender = "market/0") {
  const auto owner = std::make_shared<std::pair<std::string, std::string>>(key, value);
  InRecord record;
  record.input = {Topic::metrics, 0};
  record.key = owner->first;
  record.value = owner->second;
  record.cause = Cause{sender, {position, 0}};
  record.owner = owner;
  return record;
}

TEST(ResultWindow, KnowsEachKeyAndEachSenderByItself) {
  ResultWindow window("market/0");
  for (const auto& one : {result("a", "new", 9), result("b", "old", 3), result("a", "other", 1, "market/7")}) {
    window.read(one);
  }
  EXPECT_TRUE(window.take_overwritten().empty());
  window.read(result("b", "", 7));
  window.read(result("b", "old", 3));
  const auto again = window.take_overwritten();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].key, "b");
  EXPECT_EQ(again[0].value, "") << "an erased key is erased again";
}

TEST(ResultWindow, WhatIsSettledMeanwhileIsNotWrittenAgain) {
  ResultWindow window("market/0");
  for (const auto position : {2, 1, 2}) window.read(result("a", "x", position));
  EXPECT_TRUE(window.take_overwritten().empty());
  for (const auto position : {1, 3}) window.read(result("a", "x", position));
  EXPECT_TRUE(window.take_overwritten().empty());
}

TEST(ResultWindow, ForgetsTheOldestAndStaysSmall) {
  ResultWindow window("market/0", 3'000);
  window.read(result("first", "x", 50));
  for (int i = 0; i < 1'000; ++i) window.read(result("a", std::string(100, 'x'), i));
  window.read(result("first", "x", 1));
  window.read(result("a", "y", 1));
  const auto again = window.take_overwritten();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].key, "a");
}

// ---- errors ---------------------------------------------------------------------------------------------------------

class BrokenSink final : public Sink {
 public:
  Result<void> send(OutRecord) override { return fail(Reaction::drop_task, "cannot send"); }
  Result<void> flush() override { return {}; }
  Result<std::optional<Cause>> last_cause(Topic, std::int32_t) override { return fail(Reaction::retry, "cannot read"); }
};

TEST_F(TaskTest, AnErrorOfTheSinkIsToldAtTheRecordThatSent) {
  writes("1");
  Adder adder;
  MemoryStore store(content);
  BrokenSink sink;
  Task task("outlet", kLedger, "d1", adder, store, sink);
  const auto processed = task.process(read(log, kLedger)[0]);
  ASSERT_FALSE(processed.has_value());
  EXPECT_EQ(processed.error().reaction, Reaction::drop_task);
  EXPECT_EQ(task.next_offset(), 0) << "it has not gone past it";
  EXPECT_EQ(task.read_tails({Topic::metrics_final}).error().reaction, Reaction::retry);
}

}  // namespace
}  // namespace fiverate::test
