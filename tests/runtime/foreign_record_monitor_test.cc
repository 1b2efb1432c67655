// What is reported of foreign records, and how often.
#include "processors/runtime/foreign_record_monitor.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/runtime/runtime_fixture.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;

const Input kForeignInput{Topic::ledger, 1};

TEST(ForeignRecordMonitorTest, ReportsTheFirstAtOnceAndLaterOnesTogether) {
  MemoryLog log;
  MemorySink sink(log);
  Tasks tasks;
  tasks.emplace(kForeignInput, make_adder("outlet", kForeignInput, sink));
  std::vector<std::string> reports;
  ForeignRecordMonitor monitor([&](Severity severity, const std::string& text) {
    EXPECT_EQ(severity, Severity::warning);
    reports.push_back(text);
  });
  ForeignRecordMonitor::Time time{1h};
  std::int64_t offset = 0;
  const auto process = [&](std::string_view value) {
    ASSERT_TRUE(tasks.at(kForeignInput).task->process(record_at(kForeignInput, offset++, value)).has_value());
  };
  process("1");
  monitor.check(tasks, time);
  EXPECT_TRUE(reports.empty());
  process("?a");
  monitor.check(tasks, time);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0],
            "outlet/1 skipped a record of ledger partition 1 that fiverate did not write, at offset 1: it is ?a.");
  process("?b");
  process("?c");
  monitor.check(tasks, time + 9'999ms);
  EXPECT_EQ(reports.size(), 1U);
  monitor.check(tasks, time + 10s);
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[1],
            "outlet/1 skipped 2 records of ledger partition 1 that fiverate did not write, the last at offset 3: it is "
            "?c.");
  monitor.check(tasks, time + 1h);
  EXPECT_EQ(reports.size(), 2U);
}

}  // namespace
}  // namespace fiverate::test
