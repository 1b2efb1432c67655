// What /livez and /readyz say, from what threads and tasks report.
#include "cli/live/health.h"

#include <gtest/gtest.h>

#include "processors/edge/memory_log.h"
#include "tests/stream/fake_operator.h"

namespace fiverate::test {
namespace {

const Input kLedger{Topic::ledger, 3};

class HealthTest : public testing::Test {
 protected:
  HealthTest() {
    auto& seat = seats[kLedger];
    seat.store = std::make_unique<MemoryStore>();
    seat.op = std::make_unique<Adder>();
    seat.task = std::make_unique<Task>("outlet", kLedger, "d1", *seat.op, *seat.store, sink);
  }
  void works(std::int64_t lag, bool assigned = true) { board.round("outlet 0", assigned, seats, {{kLedger, lag}}); }

  MemoryLog log;
  MemorySink sink{log};
  std::map<Input, Seat> seats;
  HealthBoard board;
  const HealthBoard::Clock::time_point later = HealthBoard::Clock::now() + HealthBoard::kStandsAfter + std::chrono::seconds(1);
};

TEST_F(HealthTest, AliveAndNotReadyUntilAssigned) {
  board.at_work("outlet 0");
  EXPECT_TRUE(board.livez().good);
  EXPECT_FALSE(board.readyz().good);
  EXPECT_NE(board.readyz().json.find("\"assigned\":false"), std::string::npos);
  works(0);
  EXPECT_TRUE(board.readyz().good);
}

TEST_F(HealthTest, BeforeKafkaIsReachedNothingIsSaidToBeThere) {
  const auto answer = board.readyz();
  EXPECT_FALSE(answer.good);
  for (const auto* what : {"\"assigned\":false", "\"restored\":false", "\"caught_up\":false", "Kafka has not been reached"}) {
    EXPECT_NE(answer.json.find(what), std::string::npos) << answer.json;
  }
}

TEST_F(HealthTest, EveryThreadCounts) {
  works(0);
  board.at_work("market 0");
  EXPECT_FALSE(board.readyz().good);
}

TEST_F(HealthTest, NotReadyWhileCatchingUp) {
  seats.at(kLedger).task->stay_silent_until(10);
  works(0);
  EXPECT_NE(board.readyz().json.find("\"restored\":false"), std::string::npos) << board.readyz().json;
  seats.at(kLedger).task->stay_silent_until(0);
  works(HealthBoard::kBehindMax + 1);
  EXPECT_NE(board.readyz().json.find("\"restored\":true,\"caught_up\":false"), std::string::npos) << board.readyz().json;
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
  EXPECT_EQ(board.livez(later).json.find("outlet/3\",\"offset\":0,\"lag"), board.livez(later).json.find("outlet/3\",\"offset"));
}

TEST_F(HealthTest, TellsHowFarStandbysAreAndDoesNotWaitForThem) {
  MemorySource::GroupOffsets group;
  group[kLedger] = {40, ""};
  MemorySource source(log, {}, group);
  Standby standby([](const auto&) -> Result<std::unique_ptr<Source>> { return fail(Reaction::retry, "no log"); },
                  [this](const Input&) -> Result<Seat> { return std::move(seats.extract(kLedger).mapped()); },
                  {kLedger}, 1, std::chrono::seconds(1));
  standby.follow({});
  standby.round(source);
  board.round("outlet 0", true, seats, {}, &standby);
  EXPECT_TRUE(board.readyz().good);
  EXPECT_NE(board.readyz().json.find(R"("standbys":[{"task":"outlet/3","offset":0,"behind_records":40}])"),
            std::string::npos)
      << board.readyz().json;
  board.round("outlet 0", true, seats, {});
  EXPECT_NE(board.readyz().json.find(R"("standbys":[])"), std::string::npos);
}

TEST_F(HealthTest, WaitingForKafkaIsAliveAndNotReadyAndSaysWhy) {
  works(0);
  board.begins_anew("outlet 0", "No Kafka broker could be reached.");
  EXPECT_TRUE(board.livez().good);
  EXPECT_FALSE(board.readyz().good);
  EXPECT_NE(board.readyz().json.find("No Kafka broker"), std::string::npos);
}

}  // namespace
}  // namespace fiverate::test
