// When progress and marks are written, with a clock that the test moves by hand.
#include "processors/runtime/progress_reporter.h"

#include <gtest/gtest.h>

#include "ledger.pb.h"
#include "schemas/format.h"
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

TEST_F(ProgressReporterTest, ReportsARecordThatIsHeldForFiveSecondsAndItsDecision) {
  const auto last_hold = [&] {
    std::vector<InRecord> records;
    log.read(kLedger, 0, 100, 0ms, records);
    LedgerRecord body;
    EXPECT_TRUE(body.ParseFromArray(records.back().value.data(), static_cast<int>(records.back().value.size())));
    if (body.progress().holds_size() == 0) return std::string("none");
    const auto& hold = body.progress().holds(0);
    return fmt::format("{}: decided until {}, {} held", hold.source(), hold.decided_until(),
                       hold.has_held_offset() ? std::to_string(hold.held_offset()) : "none");
  };
  JumpGuard guard;
  dynamic_cast<Adder&>(*tasks.at(kDeliveries).op).guard = &guard;
  process("1");
  commit();
  ASSERT_EQ(reported_after(0ms), 1);
  guard.hold({7, 1'000'000});
  ASSERT_EQ(reported_after(1s), 1) << "seen first";
  EXPECT_EQ(reported_after(4'999ms), 1);
  EXPECT_EQ(reported_after(1ms), 2);
  EXPECT_EQ(last_hold(), "1: decided until 0, 7 held");
  EXPECT_EQ(reported_after(10s), 3) << "repeated, since a receiver with a sequence gap skips it";
  EXPECT_EQ(last_hold(), "1: decided until 0, 7 held");
  guard.decide({7, 9, false});
  EXPECT_EQ(reported_after(1s), 4);
  EXPECT_EQ(last_hold(), "1: decided until 9, none held");
  guard.hold({12, 1'000'000});
  ASSERT_EQ(reported_after(0ms), 4);
  guard.decide({12, 13, true});
  EXPECT_EQ(reported_after(4s), 5) << "decided within five seconds";
  EXPECT_EQ(last_hold(), "1: decided until 13, none held");
  process("1");
  commit();
  EXPECT_EQ(reported_after(1s), 6);
  EXPECT_EQ(last_hold(), "none") << "it has not changed";
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
