// When a sequence gap is reported, and which commands the report names.
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
  std::vector<std::string> reports;
  SequenceGapMonitor monitor{[this](Severity severity, const std::string& text) {
    EXPECT_EQ(severity, Severity::warning);
    reports.push_back(text);
  }};
};

TEST_F(SequenceGapMonitorTest, ReportsASequenceGapAfter60SecondsWithTheCommandsThatFillIt) {
  process(from("outlet/3", 7, -1));
  process(from("outlet/3", 9, 8));
  process(from("outlet/5", 9, 8));
  check_after(0ms);
  check_after(59'999ms);
  EXPECT_TRUE(reports.empty());
  check_after(1ms);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_NE(reports[0].find("market/0: 2 records are not applied"), std::string::npos) << reports[0];
  EXPECT_NE(reports[0].find("stop all processes"), std::string::npos) << reports[0];
  EXPECT_NE(reports[0].find(" fiverate tasks reset outlet-3 --offset 7; fiverate tasks reset outlet-5 --offset 0"),
            std::string::npos)
      << reports[0];
}

TEST_F(SequenceGapMonitorTest, ReportsAgainOnlyWhenMoreRecordsAreNotApplied) {
  process(from("outlet/3", 9, 8));
  check_after(0ms);
  check_after(60s);
  check_after(600s);
  EXPECT_EQ(reports.size(), 1U);
  process(from("outlet/3", 10, 9));
  check_after(1s);
  EXPECT_EQ(reports.size(), 1U);
  check_after(60s);
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_NE(reports[1].find("1 records"), std::string::npos) << reports[1];
}

TEST_F(SequenceGapMonitorTest, ASequenceGapThatTheSenderFillsInTimeIsNotReported) {
  process(from("outlet/3", 9, 7));
  check_after(0ms);
  process(from("outlet/3", 7, -1));
  check_after(59s);
  check_after(600s);
  EXPECT_TRUE(reports.empty());
  process(from("outlet/3", 12, 11));
  check_after(1s);
  check_after(59s);
  EXPECT_TRUE(reports.empty()) << "a new sequence gap has its own 60 seconds";
  check_after(1s);
  EXPECT_EQ(reports.size(), 1U);
}

TEST_F(SequenceGapMonitorTest, ATaskThatCameBackCountsFromZero) {
  for (std::int64_t i = 0; i < 3; ++i) process(from("outlet/3", 9 + i, 8 + i));
  check_after(0ms);
  check_after(60s);
  ASSERT_EQ(reports.size(), 1U);
  tasks.clear();
  check_after(1s);
  assign();
  process(from("outlet/3", 9, 8));
  check_after(1s);
  check_after(60s);
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_NE(reports[1].find("market/0: 1 records"), std::string::npos) << reports[1];
}

}  // namespace
}  // namespace fiverate::test
