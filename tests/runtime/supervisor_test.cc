// What the supervisor does on each kind of error, and when.
#include "processors/runtime/supervisor.h"

#include <gtest/gtest.h>

#include "schemas/format.h"
#include "tests/runtime/memory_ports.h"
#include "tests/runtime/runtime_fixture.h"
#include "tests/support/memory_sink.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;

const Input kFirstLedger{Topic::ledger, 0};
const Input kSecondLedger{Topic::ledger, 1};

class Observer final : public StageObserver {
 public:
  void on_start_task() override { ++started; }
  void on_round(const Source&, const Tasks&, const Standby*) override { ++rounds; }
  void on_restart(const Error& error) override { restarts.push_back(error.what); }
  int started = 0;
  int rounds = 0;
  std::vector<std::string> restarts;
};

class SupervisorTest : public testing::Test {
 protected:
  void append(const Input& input, const std::string& value) {
    log.append({input.topic, input.partition, 5, "", value, std::nullopt, std::nullopt});
  }
  Supervisor supervisor(int standby_copies = 0) {
    StageSettings settings;
    settings.stage = Stage::outlet;
    settings.definition = test_definition();
    settings.standby_copies = standby_copies;
    settings.worker = {0ms, 1h, 1'000'000};
    return Supervisor(
        settings, ports, observer, [this](Severity, const std::string& text) { reports.push_back(text); },
        [this] { return time; });
  }

  MemoryLog log;
  MemoryPorts ports{log};
  Observer observer;
  std::vector<std::string> reports;
  std::chrono::steady_clock::time_point time{1h};
};

TEST_F(SupervisorTest, StartsTheTasksAndCommitsThem) {
  append(kFirstLedger, "3");
  auto stage = supervisor();
  EXPECT_FALSE(stage.is_running());
  EXPECT_TRUE(stage.tasks().empty());
  EXPECT_TRUE(*stage.round());
  EXPECT_FALSE(*stage.round()) << "nothing to do";
  EXPECT_TRUE(stage.is_running());
  EXPECT_EQ(stage.tasks().at(kFirstLedger).task->name(), "outlet/0");
  EXPECT_EQ(observer.started, 1);
  EXPECT_EQ(observer.rounds, 2);
  ASSERT_TRUE(stage.commit_all().has_value());
  EXPECT_EQ(ports.states.at(kFirstLedger)->at("sum"), "3");
  EXPECT_EQ(ports.group.at(kFirstLedger).offset, 1);
}

TEST_F(SupervisorTest, AfterAnErrorItStartsAgainInASecondAndNotBefore) {
  for (const auto reaction : {Reaction::retry, Reaction::drop_task}) {
    SCOPED_TRACE(static_cast<int>(reaction));
    auto stage = supervisor();
    ports.sinks = 0;
    observer.restarts.clear();
    ports.sink_error = Error{reaction, "The broker is away."};
    EXPECT_FALSE(*stage.round());
    EXPECT_EQ(observer.restarts, std::vector<std::string>{"The broker is away."});
    EXPECT_NE(reports.back().find("The broker is away."), std::string::npos);
    EXPECT_FALSE(stage.is_running());
    time += 999ms;
    EXPECT_FALSE(*stage.round());
    EXPECT_EQ(ports.sinks, 1);
    EXPECT_TRUE(stage.commit_all().has_value()) << "there is nothing to commit";
    time += 1ms;
    ASSERT_TRUE(stage.round().has_value());
    EXPECT_EQ(ports.sinks, 2);
    EXPECT_TRUE(stage.is_running());
  }
}

TEST_F(SupervisorTest, AnErrorOfATaskThrowsAwayProducerAndTasksAndContinuesFromTheStates) {
  append(kFirstLedger, "1");
  auto stage = supervisor();
  ASSERT_TRUE(stage.round().has_value());
  ASSERT_TRUE(stage.commit_all().has_value());
  append(kFirstLedger, "2");
  append(kFirstLedger, "fail");
  EXPECT_FALSE(*stage.round());
  EXPECT_TRUE(stage.tasks().empty());
  EXPECT_EQ(ports.states.at(kFirstLedger)->at("sum"), "1");
  time += Supervisor::kRestartAfter;
  EXPECT_FALSE(*stage.round()) << "the record fails again";
  EXPECT_EQ(ports.sinks, 2);
  EXPECT_EQ(observer.restarts.size(), 2U);
  EXPECT_EQ(log.end_offset({Topic::deltas, 0}), 3) << "the output of the second record is sent again";
}

TEST_F(SupervisorTest, StopIsReturned) {
  auto stage = supervisor();
  ports.sink_error = Error{Reaction::stop, "Wrong configuration."};
  const auto round = stage.round();
  ASSERT_FALSE(round.has_value());
  EXPECT_EQ(round.error().reaction, Reaction::stop);
  EXPECT_TRUE(observer.restarts.empty());
}

TEST_F(SupervisorTest, WaitIsLeftToTheWorker) {
  ports.inputs = {kFirstLedger, kSecondLedger};
  ports.locked = kSecondLedger;
  append(kFirstLedger, "1");
  append(kSecondLedger, "2");
  auto stage = supervisor();
  ASSERT_TRUE(*stage.round());
  EXPECT_TRUE(stage.is_running());
  EXPECT_TRUE(observer.restarts.empty());
  EXPECT_EQ(stage.tasks().size(), 1U);
  ports.locked.reset();
  ASSERT_TRUE(*stage.round());
  EXPECT_EQ(stage.tasks().size(), 2U);
  EXPECT_EQ(ports.sinks, 1);
}

TEST_F(SupervisorTest, KeepsCopiesOfTasksOfOtherProcesses) {
  auto stage = supervisor(1);
  ASSERT_TRUE(stage.round().has_value());
  ASSERT_TRUE(stage.round().has_value());
  EXPECT_TRUE(ports.states.contains(kSecondLedger)) << "the other partition of the ledger";
  EXPECT_FALSE(stage.tasks().contains(kSecondLedger));
}

}  // namespace
}  // namespace fiverate::test
