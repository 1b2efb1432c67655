// When progress and marks are written, with a clock that the test moves by hand.
#include "processors/runtime/progress_reporter.h"

#include <gtest/gtest.h>

#include "tests/runtime/runtime_fixture.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;

const Input kDeliveries{Topic::deliveries, 0};
const Input kLedger{Topic::ledger, 0};

class ProgressReporterTest : public testing::Test {
 protected:
  ProgressReporterTest() { tasks.emplace(kDeliveries, make_adder("deliveries", kDeliveries, sink)); }
  void process(const std::string& value) {
    ASSERT_TRUE(tasks.at(kDeliveries).task->process(record_at(kDeliveries, next++, value)).has_value());
  }
  void commit() { ASSERT_TRUE(tasks.at(kDeliveries).task->save().has_value()); }
  // The number of progress records in the ledger, after a report at a later time.
  std::int64_t reported_after(std::chrono::milliseconds passed) {
    time += passed;
    EXPECT_TRUE(reporter.report(tasks).has_value());
    return log.end_offset(kLedger);
  }

  MemoryLog log;
  MemorySink sink{log};
  Tasks tasks;
  std::int64_t next = 0;
  ProgressReporter::Time time{1h};
  Millis wall_clock = 1'000;
  ProgressReporter reporter{test_definition(), sink, [this] { return wall_clock; }, [this] { return time; }};
};

TEST_F(ProgressReporterTest, ReportsOnlyWhatIsCommitted) {
  process("3");
  EXPECT_EQ(reported_after(20s), 0);
  commit();
  EXPECT_EQ(reported_after(1s), 1);
  EXPECT_EQ(log.end_offset({Topic::ledger, 1}), 1) << "to each partition of the ledger";
}

TEST_F(ProgressReporterTest, ReportsMoreOftenInTheFirstSecondsOfAnAssignment) {
  process("1");
  commit();
  ASSERT_EQ(reported_after(0ms), 1);
  process("1");
  commit();
  EXPECT_EQ(reported_after(199ms), 1);
  EXPECT_EQ(reported_after(1ms), 2);
  EXPECT_EQ(reported_after(3s), 2) << "nothing moves";
  process("1");
  commit();
  ASSERT_EQ(reported_after(0ms), 3);
  process("1");
  commit();
  EXPECT_EQ(reported_after(999ms), 3);
  EXPECT_EQ(reported_after(1ms), 4);
}

TEST_F(ProgressReporterTest, RepeatsItsReportEvery10SecondsWhileNothingMoves) {
  process("1");
  commit();
  ASSERT_EQ(reported_after(0ms), 1);
  EXPECT_EQ(reported_after(9'999ms), 1);
  EXPECT_EQ(reported_after(1ms), 2);
  EXPECT_EQ(reported_after(9'999ms), 2);
  EXPECT_EQ(reported_after(1ms), 3);
}

TEST_F(ProgressReporterTest, APartitionThatWasRevokedIsNoLongerReported) {
  process("1");
  commit();
  ASSERT_EQ(reported_after(0ms), 1);
  tasks.clear();
  EXPECT_EQ(reported_after(60s), 1);
}

TEST_F(ProgressReporterTest, WritesAMarkEverySecondIntoALivePartition) {
  const auto marks_after = [&](std::chrono::milliseconds passed) {
    time += passed;
    EXPECT_TRUE(reporter.report(tasks).has_value());
    return log.end_offset(kDeliveries);
  };
  EXPECT_EQ(marks_after(60s), 0) << "it is not live";
  dynamic_cast<Adder&>(*tasks.at(kDeliveries).op).live = true;
  EXPECT_EQ(marks_after(1s), 1);
  EXPECT_EQ(marks_after(999ms), 1);
  wall_clock = 2'000;
  EXPECT_EQ(marks_after(1ms), 2);
  std::vector<InRecord> marks;
  log.read(kDeliveries, 0, 10, 0ms, marks);
  EXPECT_EQ(marks[0].timestamp, 1'000);
  EXPECT_EQ(marks[1].timestamp, 2'000);
  EXPECT_FALSE(marks[1].cause.has_value());
}

}  // namespace
}  // namespace fiverate::test
