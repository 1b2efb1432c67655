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
    for (const auto& record : records) TRY(task.process(record));
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
    for (const auto one : which) TRY(market.task.process(again(one)));
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
  record.depends_on = {Cause{"reference/0", {3, 0}}};
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
  const Outputs::Acknowledged after_first{{kDeltas, {0, 0}}, {{Topic::deltas, 1}, {0, 1}}};
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
  ASSERT_TRUE(rebuilt.task.read_last_words({}).has_value());
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

// Whoever committed had read on in a log that was cut behind its back and had grown again: what it said follows from other records.
TEST_F(FactsAlone, AnotherRecordAnywhereBeforeTheOffsetStops) {
  MemoryLog grown_again;
  for (const auto* value : {"1", "9", "3", "4", "5"}) {
    grown_again.append({Topic::ledger, 0, 5, "", value, std::nullopt, std::nullopt});
  }
  for (const bool facts : {true, false}) {
    Process rebuilt(grown_again, "outlet", kLedger, std::make_shared<MemoryStore::Content>());
    rebuilt.task.stay_silent_until(continuation.offset());
    if (facts) {
      rebuilt.task.catch_up(continuation);
    } else {
      rebuilt.task.learn(continuation);
    }
    const auto done = rebuilt.process(read(grown_again, kLedger));
    ASSERT_FALSE(done.has_value()) << facts;
    EXPECT_EQ(done.error().reaction, Reaction::stop);
    EXPECT_TRUE(read(grown_again, kDeltas).empty());
  }
  const auto records = read(grown_again, kLedger);
  {
    Process rebuilt(grown_again, "outlet", kLedger, lost);
    rebuilt.task.catch_up(continuation);
    ASSERT_TRUE(rebuilt.process({records[0]}).has_value());
    ASSERT_TRUE(rebuilt.task.commit().has_value());
  }
  Process again(grown_again, "outlet", kLedger, lost);
  ASSERT_TRUE(again.task.restore().has_value());
  EXPECT_FALSE(again.process(records).has_value()) << "a restart on the way knows it whatever the group remembers";
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

// ---- results that are gone ------------------------------------------------------------------------------------------

// Knows where records stand, as Kafka does.
class MarkedSink final : public MemorySink {
 public:
  explicit MarkedSink(MemoryLog& log) : MemorySink(log), log_(log) {}
  std::optional<Tail> acknowledged(const Input& target, const std::string& /*sender*/) const override {
    return Tail{log_.end_offset(target), log_.last_cause(target)};
  }
  Result<bool> still_holds(const Input& target, std::int64_t offset, const Cause& cause) override {
    const auto found = read(log_, target, offset);
    return !found.empty() && found.front().cause == cause;
  }

 private:
  MemoryLog& log_;
};

class LostResults : public TaskTest {
 protected:
  const Input kFinal{Topic::metrics_final, 0};
  const Input kLatest{Topic::metrics, 0};
  using State = std::shared_ptr<MemoryStore::Content>;

  // A task that begins: with a state, with what the group knows, by order or not.
  struct Run {
    Run(MemoryLog& log, State state, const Continuation* group = nullptr, std::optional<std::int64_t> speak_from = {})
        : store(std::move(state)), sink(log), task("outlet", kLedger, "d1", adder, store, sink) {
      adder.says_latest = true;
      EXPECT_TRUE(task.restore().has_value());
      EXPECT_TRUE(task.read_tails({Topic::metrics_final, Topic::metrics}).has_value());
      if (speak_from) task.stay_silent_until(*speak_from);
      if (group != nullptr) task.learn(*group);
      checked = task.check_results(speak_from);
    }
    // With a commit after each record.
    void folds(const std::vector<InRecord>& records) {
      for (const auto& record : records) {
        EXPECT_TRUE(task.process(record).has_value());
        EXPECT_TRUE(task.commit().has_value());
      }
    }
    Continuation leaves() { return *continuation_in(task.continuation_text()); }
    // The order that it stops with.
    std::string order() const {
      if (checked) return "none";
      EXPECT_EQ(checked.error().reaction, Reaction::stop);
      const auto& what = checked.error().what;
      return what.substr(std::min(what.find("--speak-from "), what.size()));
    }
    Adder adder;
    MemoryStore store;
    MarkedSink sink;
    Task task;
    Result<void> checked;
  };

  LostResults() {
    for (int value = 1; value <= 6; ++value)
      kafka->append({Topic::ledger, 0, 5, "", std::to_string(value), std::nullopt, std::nullopt});
    Run first(*kafka, content);
    EXPECT_EQ(first.order(), "none");
    first.folds(read(*kafka, kLedger));
    group = first.leaves();
  }
  void loses(const Input& target, std::int64_t new_end) {
    auto rest = std::make_unique<MemoryLog>();
    for (const auto& input : {kLedger, kFinal, kLatest}) {
      for (const auto& record : read(*kafka, input)) {
        if (input == target && record.offset >= new_end) continue;
        rest->append({input.topic, 0, record.timestamp, std::string(record.key), std::string(record.value),
                      record.cause, std::nullopt});
      }
    }
    kafka = std::move(rest);
  }
  Values values_of(const Input& input) {
    Values values;
    for (const auto& record : read(*kafka, input)) values.emplace_back(record.value);
    return values;
  }
  void says(const Input& target, CausePosition position) {
    kafka->append({target.topic, 0, 5, "sum", "?", Cause{"outlet/0", position}, std::nullopt});
  }
  std::unique_ptr<MemoryLog> kafka = std::make_unique<MemoryLog>();
  Continuation group;
};

TEST_F(LostResults, WhatIsThereIsFine) {
  EXPECT_EQ(Run(*kafka, content).order(), "none");
  EXPECT_EQ(Run(*kafka, std::make_shared<MemoryStore::Content>(), &group).order(), "none");
  says(kFinal, {7, 1});
  EXPECT_EQ(Run(*kafka, content).order(), "none") << "a twin went on";
}

TEST_F(LostResults, AnEndThatIsGoneStopsAndNamesTheOrder) {
  loses(kFinal, 5);
  const Run again(*kafka, content);
  EXPECT_EQ(again.order(), "--speak-from outlet-0:4") << "the last record that stands is caused by 4";
  EXPECT_NE(again.checked.error().what.find("metrics-final partition 0 does not hold at offset 5"), std::string::npos)
      << again.checked.error().what;
}

TEST_F(LostResults, NoMatterWhoHasFilledItAgain) {
  loses(kFinal, 3);
  // What was still on its way, newer than what is gone; what a process that was cut off had still to say, older.
  for (const auto offset : {6, 7, 1}) says(kFinal, {offset, 2});
  const Run again(*kafka, content);
  EXPECT_EQ(again.order(), "--speak-from outlet-0:2");
}

TEST_F(LostResults, OneOrderSaysAgainWhatIsGoneFromAll) {
  loses(kFinal, 5);
  loses(kLatest, 2);
  const Run again(*kafka, content);
  EXPECT_EQ(again.order(), "--speak-from outlet-0:1");
  for (const auto* topic : {"metrics partition 0", "metrics-final partition 0"}) {
    EXPECT_NE(again.checked.error().what.find(topic), std::string::npos) << again.checked.error().what;
  }
}

TEST_F(LostResults, WhoeverTakesOverKnowsItFromTheGroup) {
  loses(kFinal, 5);
  EXPECT_EQ(Run(*kafka, std::make_shared<MemoryStore::Content>()).order(), "none") << "it knows nothing";
  EXPECT_EQ(Run(*kafka, std::make_shared<MemoryStore::Content>(), &group).order(), "--speak-from outlet-0:0")
      << "one mark, and it does not stand";
}

TEST_F(LostResults, AnOperatorThatCannotGoOnFromTheGroupLeavesThemThereAllTheSame) {
  Run desk(*kafka, content);
  desk.adder.leaves_nothing = true;
  ASSERT_TRUE(desk.task.commit().has_value());
  const auto left = desk.leaves();
  loses(kFinal, 5);
  Run other(*kafka, std::make_shared<MemoryStore::Content>());
  other.task.catch_up(left);
  EXPECT_FALSE(other.task.is_silent()) << "it is nothing to go on from";
  EXPECT_FALSE(other.task.check_results(std::nullopt).has_value());
}

TEST_F(LostResults, ByOrderAllIsSaidAgainWhateverStandsThere) {
  const auto before = values_of(kFinal);
  loses(kFinal, 3);
  says(kFinal, {7, 2});
  auto latest = values_of(kLatest);
  const auto state = std::make_shared<MemoryStore::Content>();  // set aside: it was beyond the order
  Run again(*kafka, state, &group, 2);
  ASSERT_EQ(again.order(), "none");
  again.folds(read(*kafka, kLedger));
  auto values = values_of(kFinal);
  EXPECT_EQ(Values(values.begin() + 4, values.end()), Values(before.begin() + 2, before.end()));
  latest.push_back(latest.back());
  EXPECT_EQ(values_of(kLatest), latest) << "nothing is gone there: the last one again";
  EXPECT_EQ(Run(*kafka, state).order(), "none") << "known anew";
  const auto now = again.leaves();
  EXPECT_EQ(Run(*kafka, content, &now).order(), "none") << "who has an old state learns it from the group";
  loses(kFinal, 7);
  EXPECT_NE(Run(*kafka, state).order(), "none");
}

TEST_F(LostResults, AnOrderThatWasInterruptedIsGivenAgain) {
  loses(kFinal, 3);
  const auto state = std::make_shared<MemoryStore::Content>();
  {
    Run again(*kafka, state, &group, 2);
    again.folds(read(*kafka, kLedger));
    ASSERT_EQ(values_of(kFinal).size(), 3U + 4U);
  }
  loses(kFinal, 3);  // in truth it had said nothing yet
  EXPECT_NE(Run(*kafka, state, &group).order(), "none");
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
  Result<Tail> tail(const Input&) override { return fail(Reaction::retry, "cannot read"); }
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
