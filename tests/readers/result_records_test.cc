// Which records of result topics count, and what is shown of the others.
#include "readers/query/result_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metrics.pb.h"
#include "processors/stages/topology.h"
#include "readers/audit/memory_log.h"
#include "readers/query/alerts_query.h"
#include "readers/query/quarantine_query.h"
#include "readers/query/rates_query.h"

namespace fiverate::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ResultRecordsTest : public testing::Test {
 protected:
  void append(Topic topic, std::int32_t partition, const std::string& key, const std::string& value,
              std::optional<Cause> cause) {
    log.append({topic, partition, 5, key, value, std::move(cause), std::nullopt});
  }
  MemorySource source(Topic topic, std::int32_t partitions = 1) {
    std::vector<Input> inputs;
    for (std::int32_t p = 0; p < partitions; ++p) inputs.push_back({topic, p});
    for (const auto& input : inputs) log.close(input);
    group.clear();
    MemorySource made(log, inputs, group, 1);
    made.listen({[](const std::vector<Input>& assigned) {
                   std::map<Input, std::int64_t> begin;
                   for (const auto& input : assigned) begin[input] = 0;
                   return begin;
                 },
                 {}});
    return made;
  }
  static std::string row(const std::string& brand, const std::string& day, MetricsRow::Status status,
                         std::int64_t revision, const std::string& mark = "") {
    MetricsRow made;
    made.set_brand_id(brand);
    made.set_as_of(day);
    made.set_status(status);
    made.set_revision(revision);
    if (!mark.empty()) made.add_lines()->set_class_value(mark);
    return made.SerializeAsString();
  }
  static Cause by(const std::string& sender, std::int64_t offset) { return {sender, {offset, 0}}; }

  MemoryLog log;
  MemorySource::GroupOffsets group;
  ResultRecords results{make_definition("Asia/Shanghai", PartitionCounts{.source = 1, .ledger = 2, .market = 2})};
};

TEST_F(ResultRecordsTest, OfARowWithoutTheCauseOfItsMarketTaskNothingIsRead) {
  append(Topic::metrics_final, 0, "k", row("A", "2026-03-01", MetricsRow::FINAL, 1), by("market/0", 1));
  append(Topic::metrics_final, 0, "k", row("A", "2026-03-01", MetricsRow::FINAL, 1, "forged"), std::nullopt);
  append(Topic::metrics_final, 0, "", "rubbish", std::nullopt);
  append(Topic::metrics_final, 0, "k", row("A", "9999-03-01", MetricsRow::FINAL, 1), by("market/1", 2));
  append(Topic::metrics_final, 0, "k", row("A", "2026-03-01", MetricsRow::FINAL, 1), by("outlet/0", 2));
  append(Topic::metrics_final, 1, "k", row("B", "2026-03-01", MetricsRow::FINAL, 1), by("market/1", 2));
  append(Topic::metrics_final, 1, "k", "rubbish", by("market/1", 3));
  append(Topic::metrics_final, 1, "k", row("B", "2026-03-02", MetricsRow::LIVE, 1), by("market/1", 4));
  std::vector<std::string> found;
  auto metrics_final = source(Topic::metrics_final, 2);
  ASSERT_TRUE(read_final(metrics_final, 2, kNoDay, kEndOfDays, results, [&](const MetricsRow& one) {
    found.push_back(one.brand_id() + " " + one.as_of() +
                    (one.lines_size() > 0 ? " " + one.lines(0).class_value() : ""));
  }));
  EXPECT_THAT(found, ElementsAre("A 2026-03-01", "B 2026-03-01"));
  EXPECT_EQ(results.ignored(), 6);
  // The two partitions are read in turn.
  EXPECT_THAT(results.sentences(),
              ElementsAre("6 records of metrics-final were not written by a processor and are ignored: "
                          "metrics-final/0/1 (no cause), metrics-final/1/1 (its value is no FINAL row), "
                          "metrics-final/0/2 (no cause), and 3 more."));
}

// A processor repeats itself after a crash: the same bytes, and the same cause.
TEST_F(ResultRecordsTest, TheFirstFinalRowOfAKeyCounts) {
  const auto append_row = [&](const std::string& day, const std::string& mark, std::int64_t offset) {
    append(Topic::metrics_final, 0, "k", row("A", day, MetricsRow::FINAL, 1, mark), by("market/0", offset));
  };
  append_row("2026-03-01", "first", 1);
  append_row("2026-03-01", "first", 1);   // a repetition
  append_row("2026-03-01", "second", 1);  // 2: another row
  append_row("2026-03-02", "first", 2);
  append_row("2026-03-03", "first", 3);
  append_row("2026-03-01", "first", 1);  // a repetition of a row that was visited
  append_row("2026-03-02", "first", 2);
  append_row("2026-03-01", "third", 4);  // 7: a row that came too late
  append_row("2026-03-04", "first", 5);
  std::vector<std::string> found;
  auto metrics_final = source(Topic::metrics_final);
  ASSERT_TRUE(read_final(metrics_final, 1, kNoDay, kEndOfDays, results, [&](const MetricsRow& one) {
    found.push_back(one.as_of() + " " + one.lines(0).class_value());
  }));
  EXPECT_THAT(found, ElementsAre("2026-03-01 first", "2026-03-02 first", "2026-03-03 first", "2026-03-04 first"));
  EXPECT_THAT(results.sentences(),
              ElementsAre("2 records of metrics-final were not written by a processor and are ignored: "
                          "metrics-final/0/2 (another row of its key came before), "
                          "metrics-final/0/7 (another row of its key came before)."));
}

TEST_F(ResultRecordsTest, TheLiveRowOfTheHighestRevisionCounts) {
  append(Topic::metrics, 0, "k", row("A", "2026-03-01", MetricsRow::LIVE, 5, "five"), by("market/0", 5));
  append(Topic::metrics, 0, "k", row("A", "2026-03-01", MetricsRow::LIVE, 4, "four"), by("market/0", 4));
  append(Topic::metrics, 0, "k", row("A", "2026-03-01", MetricsRow::LIVE, 5, "five"), by("market/0", 5));
  append(Topic::metrics, 0, "k", row("A", "2026-03-01", MetricsRow::LIVE, 5, "other"), by("market/0", 5));   // 3
  append(Topic::metrics, 0, "k", row("A", "2026-03-01", MetricsRow::LIVE, 9, "nine"), std::nullopt);         // 4
  append(Topic::metrics, 0, "k", row("A", "2026-03-01", MetricsRow::FINAL, 9, "final"), by("market/0", 9));  // 5
  auto metrics = source(Topic::metrics);
  const auto latest = read_latest(metrics, results);
  ASSERT_TRUE(latest);
  ASSERT_EQ(latest->sorted().size(), 1U);
  EXPECT_EQ(latest->sorted()[0]->lines(0).class_value(), "five");
  EXPECT_THAT(results.sentences(),
              ElementsAre("3 records of metrics were not written by a processor and are ignored: "
                          "metrics/0/3 (another row of its key came before), metrics/0/4 (no cause), "
                          "metrics/0/5 (its value is no LIVE row)."));
}

TEST_F(ResultRecordsTest, AlertsAndRejectedRecords) {
  Alert alert;
  alert.mutable_last()->set_alert_id("aa");
  alert.set_transitions(1);
  append(Topic::alerts, 0, "aa", alert.SerializeAsString(), by("desk/0", 1));
  alert.set_transitions(2);
  append(Topic::alerts, 0, "aa", alert.SerializeAsString(), by("market/0", 2));
  append(Topic::alerts, 0, "aa", "", std::nullopt);
  auto alerts = source(Topic::alerts);
  EXPECT_EQ(read_alerts(alerts, results)->transitions_of("aa"), 1);
  EXPECT_EQ(results.ignored(), 2);

  AlertLogRecord transition;
  transition.mutable_transition()->set_alert_id("aa");
  transition.mutable_transition()->set_transition(1);
  append(Topic::alert_log, 0, "1", transition.SerializeAsString(), by("desk/0", 1));
  append(Topic::alert_log, 0, "1", transition.SerializeAsString(), by("desk/0", 1));
  transition.mutable_transition()->set_value(7);
  append(Topic::alert_log, 0, "1", transition.SerializeAsString(), by("desk/0", 2));
  append(Topic::alert_log, 0, "1", "rubbish", by("desk/0", 3));
  append(Topic::alert_log, 0, "2", transition.SerializeAsString(), std::nullopt);
  auto alert_log = source(Topic::alert_log);
  EXPECT_EQ(read_transitions(alert_log, results, {})->size(), 1U);
  EXPECT_EQ(results.ignored(), 5);

  Quarantined quarantined;
  quarantined.set_reason("late");
  append(Topic::quarantine, 0, "deliveries/0/1/0", quarantined.SerializeAsString(), by("deliveries/0", 1));
  append(Topic::quarantine, 0, "deliveries/0/1/0", quarantined.SerializeAsString(), by("outlet/1", 9));
  append(Topic::quarantine, 0, "deliveries/0/2/0", quarantined.SerializeAsString(), by("market/0", 2));
  append(Topic::quarantine, 0, "deliveries/0/3/0", "", by("deliveries/0", 3));
  auto quarantine = source(Topic::quarantine);
  int visited = 0;
  ASSERT_TRUE(read_quarantine(quarantine, results, [&](auto, const auto&, const Quarantined&) { ++visited; }));
  EXPECT_EQ(visited, 1);
  EXPECT_EQ(results.ignored(), 7);
  EXPECT_EQ(results.sentences().size(), 3U);
}

TEST_F(ResultRecordsTest, ShowsNothingIfAllIsRight) {
  append(Topic::metrics, 0, "k", row("A", "2026-03-01", MetricsRow::LIVE, 5), by("market/0", 5));
  auto metrics = source(Topic::metrics);
  ASSERT_TRUE(read_latest(metrics, results));
  EXPECT_THAT(results.sentences(), IsEmpty());
}

}  // namespace
}  // namespace fiverate::test
