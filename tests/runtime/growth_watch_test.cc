// When partitions are counted, and what follows, with a clock that the test moves by hand.
#include "processors/runtime/growth_watch.h"

#include <gmock/gmock.h>

#include "tests/runtime/runtime_fixture.h"

namespace fiverate::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr Millis kNoon = 1'772'510'400'000;  // 2026-03-03T12:00+08:00
const Input kOrders{Topic::orders, 0};

// A source that only counts partitions.
class Counting final : public Source {
 public:
  void listen(Listener /*listener*/) override {}
  Result<void> poll(std::chrono::milliseconds /*wait*/, std::vector<InRecord>& /*records*/) override { return {}; }
  Result<std::map<Input, Committed>> committed(const std::vector<Input>&, std::chrono::milliseconds) override {
    return std::map<Input, Committed>{};
  }
  Result<void> commit(const std::map<Input, Committed>&) override { return {}; }
  void set_paused(const Input& input, bool paused) override {
    paused ? void(pauses.insert(input)) : void(pauses.erase(input));
  }
  Result<std::map<Topic, std::int32_t>> partition_counts(std::chrono::milliseconds) override {
    ++counts;
    if (error) return tl::make_unexpected(*error);
    return partitions;
  }

  [[nodiscard]] std::map<Input, std::int64_t> lag() const override { return {{kOrders, unread}}; }

  std::int64_t unread = 0;
  std::map<Topic, std::int32_t> partitions{{Topic::orders, 1}, {Topic::deliveries, 1}, {Topic::reference, 1}};
  std::optional<Error> error;
  std::set<Input> pauses;
  int counts = 0;
};

// An operator with a clock that the test sets.
class Clocked final : public Operator {
 public:
  Result<void> open(const Store&) override { return {}; }
  Result<void> apply(const InRecord&, Outbox&) override { return {}; }
  [[nodiscard]] bool at_boundary() const override { return true; }
  void save(StoreBatch&) override {}
  [[nodiscard]] Millis clock() const override { return time; }
  Millis time = kNoon;
};

class GrowthWatchTest : public testing::Test {
 protected:
  GrowthWatchTest() {
    auto context = make_adder("orders", kOrders, sink);
    auto op = std::make_unique<Clocked>();
    clocked = op.get();
    context.task.reset();
    context.op = std::move(op);
    context.task = std::make_unique<Task>("orders", kOrders, "d1", *context.op, *context.store, sink);
    tasks.emplace(kOrders, std::move(context));
  }
  // A record moves the clock.
  void read_on(Millis passed) {
    auto& task = *tasks.at(kOrders).task;
    ASSERT_TRUE(task.process(record_at(kOrders, task.next_offset(), "1")).has_value());
    clocked->time += passed;
  }
  bool may_report_after(std::chrono::milliseconds passed) {
    time += passed;
    watch.pause(tasks);
    return watch.may_report(tasks);
  }

  MemoryLog log;
  MemorySink sink{log};
  Tasks tasks;
  Clocked* clocked = nullptr;
  Counting source;
  std::vector<std::string> reports;
  std::chrono::steady_clock::time_point time{1h};
  GrowthWatch watch{{test_definition(), source, [this](Severity, const std::string& text) { reports.push_back(text); },
                     [this] { return time; }}};
};

TEST_F(GrowthWatchTest, CountsEveryTenSeconds) {
  EXPECT_TRUE(may_report_after(0ms));
  EXPECT_TRUE(may_report_after(9s));
  EXPECT_EQ(source.counts, 1);
  EXPECT_TRUE(may_report_after(1s));
  EXPECT_EQ(source.counts, 2);
  EXPECT_TRUE(source.pauses.empty());
  EXPECT_TRUE(reports.empty());
}

TEST_F(GrowthWatchTest, CountsBeforeAClockPassesAMidnight) {
  ASSERT_TRUE(may_report_after(0ms));
  read_on(11 * 60 * kMinuteMs);
  EXPECT_TRUE(may_report_after(1ms));
  EXPECT_EQ(source.counts, 1) << "it is still the same day";
  source.partitions[Topic::deliveries] = 3;
  EXPECT_TRUE(may_report_after(1ms)) << "not counted yet";
  read_on(60 * kMinuteMs);
  EXPECT_FALSE(may_report_after(1ms));
  EXPECT_EQ(source.counts, 2);
}

TEST_F(GrowthWatchTest, TheMidnightsOfABacklogAreNotCountedOneByOne) {
  source.unread = 2;
  ASSERT_TRUE(may_report_after(0ms));
  source.partitions[Topic::deliveries] = 3;  // after the first two records were written
  for (int i = 0; i < 2; ++i) {
    read_on(kDayMs);
    EXPECT_TRUE(may_report_after(1ms));
  }
  EXPECT_EQ(source.counts, 1);
  read_on(kDayMs);
  EXPECT_FALSE(may_report_after(1ms)) << "a record that was written later: the new partitions may hold earlier ones";
  EXPECT_EQ(source.counts, 2);
}

TEST_F(GrowthWatchTest, UnreadPartitionsPauseIntakeAndAreReportedOnceAMinute) {
  ASSERT_TRUE(may_report_after(0ms));
  source.partitions[Topic::orders] = 6;
  EXPECT_FALSE(may_report_after(10s));
  EXPECT_THAT(watch.reason(), HasSubstr("The topic orders has 6 partitions in Kafka, 1 of them in the definition"));
  EXPECT_THAT(watch.reason(), HasSubstr("`fiverate topics extend`"));
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0], watch.reason());
  EXPECT_FALSE(may_report_after(1s));
  EXPECT_EQ(source.pauses, std::set{kOrders});
  source.pauses.clear();  // a new assignment
  EXPECT_FALSE(may_report_after(1s));
  EXPECT_EQ(source.pauses, std::set{kOrders});
  EXPECT_FALSE(may_report_after(48s));
  EXPECT_EQ(reports.size(), 1U);
  EXPECT_FALSE(may_report_after(20s));
  EXPECT_EQ(reports.size(), 2U);
}

TEST_F(GrowthWatchTest, APartitionThatCannotBeAddedIsReportedOnly) {
  source.partitions[Topic::reference] = 2;
  EXPECT_TRUE(may_report_after(0ms));
  EXPECT_EQ(watch.reason(), "");
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_THAT(reports[0], HasSubstr("write to partition 0 only"));
}

TEST_F(GrowthWatchTest, WhileTheyCannotBeCountedNoDayCloses) {
  ASSERT_TRUE(may_report_after(0ms));
  source.error = Error{Reaction::retry, "No answer."};
  EXPECT_TRUE(may_report_after(10s)) << "the day is the same";
  EXPECT_TRUE(may_report_after(10ms));
  EXPECT_EQ(source.counts, 2) << "tried again after a second";
  read_on(kDayMs);
  EXPECT_FALSE(may_report_after(10ms));
  EXPECT_FALSE(may_report_after(1s));
  EXPECT_EQ(source.counts, 3);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_THAT(reports[0], HasSubstr("No answer. No day closes"));
  source.error.reset();
  EXPECT_TRUE(may_report_after(1s));
}

TEST_F(GrowthWatchTest, WhatIsPausedStaysPausedWhileTheyCannotBeCounted) {
  source.partitions[Topic::orders] = 2;
  ASSERT_FALSE(may_report_after(0ms));
  source.error = Error{Reaction::retry, "No answer."};
  EXPECT_FALSE(may_report_after(10s));
  EXPECT_NE(watch.reason(), "");
}

}  // namespace
}  // namespace fiverate::test
