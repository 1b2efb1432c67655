// The answers of /livez and /readyz, from what threads and tasks report.
#include "cli/live/health.h"

#include <gtest/gtest.h>

#include "processors/stream/memory_store.h"
#include "tests/stream/fake_operator.h"
#include "tests/support/log_checkpoints.h"
#include "tests/support/memory_sink.h"

namespace fiverate::test {
namespace {

const Input kLedger{Topic::ledger, 3};

class HealthTest : public testing::Test {
 protected:
  HealthTest() {
    auto& context = tasks[kLedger];
    context.store = std::make_unique<MemoryStore>();
    context.op = std::make_unique<Adder>();
    context.task = std::make_unique<Task>("outlet", kLedger, "d1", *context.op, *context.store, sink);
  }
  void works(std::int64_t lag, bool assigned = true) { board.round("outlet 0", assigned, tasks, {{kLedger, lag}}); }

  MemoryLog log;
  MemorySink sink{log};
  Tasks tasks;
  HealthBoard board;
  const HealthBoard::Clock::time_point later =
      HealthBoard::Clock::now() + HealthBoard::kStandsAfter + std::chrono::seconds(1);
};

TEST_F(HealthTest, AliveAndNotReadyUntilAssigned) {
  board.working("outlet 0");
  EXPECT_TRUE(board.livez().good);
  EXPECT_FALSE(board.readyz().good);
  EXPECT_NE(board.readyz().json.find("\"assigned\":false"), std::string::npos);
  works(0);
  EXPECT_TRUE(board.readyz().good);
}

TEST_F(HealthTest, BeforeKafkaIsReachedNothingIsReady) {
  const auto answer = board.readyz();
  EXPECT_FALSE(answer.good);
  for (const auto* what :
       {"\"assigned\":false", "\"restored\":false", "\"up_to_date\":false", "Kafka has not been reached"}) {
    EXPECT_NE(answer.json.find(what), std::string::npos) << answer.json;
  }
}

TEST_F(HealthTest, EveryThreadCounts) {
  works(0);
  board.working("market 0");
  EXPECT_FALSE(board.readyz().good);
}

TEST_F(HealthTest, NotReadyDuringAReplayOrFarBehindTheLogEnd) {
  Checkpoint checkpoint;
  checkpoint.set_offset(10);
  tasks.at(kLedger).task->resume_from(checkpoint);
  works(0);
  EXPECT_NE(board.readyz().json.find("\"restored\":false"), std::string::npos) << board.readyz().json;
  auto& context = tasks.at(kLedger);
  context.task = std::make_unique<Task>("outlet", kLedger, "d1", *context.op, *context.store, sink);
  works(HealthBoard::kBehindMax + 1);
  EXPECT_NE(board.readyz().json.find("\"restored\":true,\"up_to_date\":false"), std::string::npos)
      << board.readyz().json;
  works(HealthBoard::kBehindMax);
  EXPECT_TRUE(board.readyz().good);
}

TEST_F(HealthTest, AThreadThatDoesNotComeBackIsStuck) {
  works(0);
  EXPECT_TRUE(board.livez().good);
  EXPECT_FALSE(board.livez(later).good);
  EXPECT_NE(board.livez(later).json.find("outlet 0"), std::string::npos);
}

TEST_F(HealthTest, ATaskThatStandsStillWhileRecordsWaitIsStuck) {
  works(5);
  works(5);
  EXPECT_NE(board.livez(later).json.find("outlet/3"), std::string::npos) << board.livez(later).json;
  works(0);
  EXPECT_EQ(board.livez(later).json.find("outlet/3\",\"offset\":0,\"lag"),
            board.livez(later).json.find("outlet/3\",\"offset"));
}

TEST_F(HealthTest, ATaskThatWaitsForADecisionIsAliveAndNotReadyWithTheCommand) {
  JumpGuard guard;
  dynamic_cast<Adder&>(*tasks[kLedger].op).guard = &guard;
  works(5);
  EXPECT_TRUE(board.readyz().good) << board.readyz().json;
  guard.hold({17, 1'000});
  works(5);
  EXPECT_EQ(board.livez(later).json.find("outlet/3"), std::string::npos) << board.livez(later).json;
  EXPECT_FALSE(board.readyz().good);
  EXPECT_NE(board.readyz().json.find("fiverate quarantine accept ledger/3/17"), std::string::npos)
      << board.readyz().json;
}

TEST_F(HealthTest, ListsStandbysAndDoesNotDependOnThem) {
  MemorySource::GroupOffsets group;
  group[kLedger] = {40, to_text(CheckpointPointer{0, 0})};
  Checkpoint checkpoint;
  checkpoint.set_task("outlet/3");
  checkpoint.set_definition_id("d1");
  checkpoint.set_offset(40);
  log.append(checkpoint_record(checkpoint, 1));
  MemorySource source(log, {}, group);
  LogCheckpoints checkpoints(log);
  Standby standby(
      {[this, &group](const auto& from) -> Result<std::unique_ptr<Source>> {
         auto reader = std::make_unique<MemorySource>(log, std::vector<Input>{}, group);
         reader->listen({[from](const auto&) { return from; }, {}});
         return reader;
       },
       checkpoints,
       [](const Input&) { return std::string("outlet/3"); },
       [this](const Input&, const auto&) -> Result<TaskContext> { return std::move(tasks.extract(kLedger).mapped()); },
       {kLedger}},
      1, std::chrono::seconds(1));
  standby.follow_all_but({});
  standby.round(source);
  board.round("outlet 0", true, tasks, {}, &standby);
  EXPECT_TRUE(board.readyz().good);
  EXPECT_NE(board.readyz().json.find(R"("standbys":[{"task":"outlet/3","offset":0,"behind_records":40}])"),
            std::string::npos)
      << board.readyz().json;
  board.round("outlet 0", true, tasks, {});
  EXPECT_NE(board.readyz().json.find(R"("standbys":[])"), std::string::npos);
}

TEST_F(HealthTest, NotReadyWhileATaskWaitsForMissingRecordsWithAllOfThemAndTheCommand) {
  tasks.at(kLedger).missing_for_long = {{"deliveries/0", 7, 120}, {"orders/1", 0, 5}};
  works(0);
  const auto answer = board.readyz();
  EXPECT_FALSE(answer.good);
  for (const auto* part :
       {R"("up_to_date":false)", R"("task":"outlet/3")", "deliveries/0 offsets 7 to 120, orders/1 offsets 0 to 5",
        R"("missing":[{"sender":"deliveries/0","from":7,"to":120},{"sender":"orders/1","from":0,"to":5}])",
        "fiverate tasks reset --missing"}) {
    EXPECT_NE(answer.json.find(part), std::string::npos) << part << " in " << answer.json;
  }
  EXPECT_TRUE(board.livez().good) << "a restart would not help";
  tasks.at(kLedger).missing_for_long.clear();
  works(0);
  EXPECT_TRUE(board.readyz().good);
}

TEST_F(HealthTest, APausedThreadIsAliveAndNotReadyWithTheReason) {
  works(5);
  board.paused("outlet 0", "The topic orders has 6 partitions.");
  works(5);
  EXPECT_EQ(board.livez(later).json.find("outlet/3"), std::string::npos) << "a restart would not help";
  const auto answer = board.readyz();
  EXPECT_FALSE(answer.good);
  EXPECT_NE(answer.json.find(R"({"thread":"outlet 0","because":"The topic orders has 6 partitions."})"),
            std::string::npos)
      << answer.json;
  board.paused("outlet 0", "");
  EXPECT_TRUE(board.readyz().good);
}

TEST_F(HealthTest, WaitingForKafkaIsAliveAndNotReadyWithTheReason) {
  works(0);
  board.restarting("outlet 0", "No Kafka broker could be reached.");
  EXPECT_TRUE(board.livez().good);
  EXPECT_FALSE(board.readyz().good);
  EXPECT_NE(board.readyz().json.find("No Kafka broker"), std::string::npos);
}

}  // namespace
}  // namespace fiverate::test
