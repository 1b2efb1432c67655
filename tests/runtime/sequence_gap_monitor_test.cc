// When a sequence gap stands, and what is reported of it.
#include "processors/runtime/sequence_gap_monitor.h"

#include <gtest/gtest.h>

#include "tests/runtime/runtime_fixture.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;

const Input kDeltas{Topic::deltas, 0};

class SequenceGapMonitorTest : public testing::Test {
 protected:
  SequenceGapMonitorTest() { assign(); }
  void assign() {
    tasks.clear();
    tasks.emplace(kDeltas, make_adder("market", kDeltas, sink));
    next = 0;
  }
  void process(InRecord record) {
    record.offset = next++;
    ASSERT_TRUE(tasks.at(kDeltas).task->process(record).has_value());
  }
  InRecord from(const std::string& sender, std::int64_t offset, std::int64_t previous) {
    auto record = record_at(kDeltas, 0, "1");
    record.cause = Cause{sender, {offset, 0}};
    record.link = Link{{previous, 0}, previous < 0 ? 0 : chained(0, "", "1")};
    return record;
  }
  void check_after(std::chrono::milliseconds passed) {
    time += passed;
    monitor.check(tasks, time);
  }

  MemoryLog log;
  MemorySink sink{log};
  Tasks tasks;
  std::int64_t next = 0;
  SequenceGapMonitor::Time time{1h};
  std::vector<std::pair<Severity, std::string>> reports;
  SequenceGapMonitor monitor{
      [this](Severity severity, const std::string& text) { reports.emplace_back(severity, text); }};
  using Missing = std::vector<MissingRange>;
  const Missing& standing() { return tasks.at(kDeltas).missing_for_long; }
};

TEST_F(SequenceGapMonitorTest, ASequenceGapStandsAfter10SecondsAndIsReportedOnceWithAllThatIsMissing) {
  process(from("outlet/3", 7, -1));
  process(from("outlet/3", 9, 8));
  process(from("outlet/5", 9, 8));
  check_after(0ms);
  check_after(9'999ms);
  EXPECT_TRUE(reports.empty());
  EXPECT_TRUE(standing().empty());
  check_after(1ms);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].first, Severity::warning);
  for (const auto* part : {"market/0 has waited 10 s", "outlet/3 offsets 7 to 8, outlet/5 offsets 0 to 8",
                           "stop all processes, run `fiverate tasks reset --missing`"}) {
    EXPECT_NE(reports[0].second.find(part), std::string::npos) << reports[0].second;
  }
  EXPECT_EQ(standing(), (Missing{{"outlet/3", 7, 8}, {"outlet/5", 0, 8}}));
  process(from("outlet/3", 12, 11));
  check_after(600s);
  EXPECT_EQ(reports.size(), 1U);
  EXPECT_EQ(standing(), (Missing{{"outlet/3", 7, 11}, {"outlet/5", 0, 8}})) << "what is shown grows with it";
}

TEST_F(SequenceGapMonitorTest, ItsEndIsReported) {
  process(from("outlet/3", 9, 7));
  check_after(0ms);
  check_after(10s);
  process(from("outlet/3", 7, -1));
  check_after(0ms);
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[1],
            std::pair(Severity::info, std::string("market/0: the missing records have come. It continues.")));
  EXPECT_TRUE(standing().empty());
}

TEST_F(SequenceGapMonitorTest, ASequenceGapThatTheSenderFillsInTimeIsNotReported) {
  process(from("outlet/3", 9, 7));
  check_after(0ms);
  check_after(9s);
  process(from("outlet/3", 7, -1));
  check_after(999ms);
  check_after(600s);
  EXPECT_TRUE(reports.empty());
  process(from("outlet/3", 12, 11));
  check_after(1s);
  check_after(9s);
  EXPECT_TRUE(reports.empty()) << "a new sequence gap has its own 10 seconds";
  check_after(1s);
  EXPECT_EQ(reports.size(), 1U);
}

TEST_F(SequenceGapMonitorTest, AfterARestartASequenceGapThatStoodStandsUntilItIsClosed) {
  process(from("outlet/3", 7, -1));
  tasks.at(kDeltas).task->expect({{"outlet/3", 7, 8}});
  tasks.at(kDeltas).missing_for_long = {{"outlet/3", 7, 8}};
  check_after(0ms);
  EXPECT_EQ(standing(), (Missing{{"outlet/3", 7, 8}}));
  EXPECT_TRUE(reports.empty());
  process(from("outlet/3", 8, 7));
  check_after(1s);
  EXPECT_TRUE(standing().empty());
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].first, Severity::info);
}

TEST_F(SequenceGapMonitorTest, ATaskThatLeftIsForgotten) {
  process(from("outlet/3", 9, 8));
  check_after(0ms);
  tasks.clear();
  check_after(10s);
  assign();
  process(from("outlet/3", 9, 8));
  check_after(0ms);
  EXPECT_TRUE(reports.empty());
}

}  // namespace
}  // namespace fiverate::test
