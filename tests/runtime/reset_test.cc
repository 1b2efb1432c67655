// Which checkpoint `tasks reset` writes, as a table.
#include "processors/runtime/reset.h"

#include <gtest/gtest.h>

namespace fiverate::test {
namespace {

const Input kRows{Topic::metrics_final, 0};
const Input kSignals{Topic::signals, 0};

Checkpoint checkpoint(std::int64_t offset, std::int64_t epoch, std::int64_t rows_end, std::int64_t signals_end = 0) {
  Checkpoint made;
  made.set_task("outlet/3");
  made.set_definition_id("d1");
  made.set_offset(offset);
  made.set_reset_epoch(epoch);
  made.set_last_hash(static_cast<std::uint64_t>(offset) * 7);
  made.mutable_resume()->set_tally(std::to_string(offset));
  made.set_status("{}");
  for (const auto& [target, end] : {std::pair(kRows, rows_end), std::pair(kSignals, signals_end)}) {
    if (end == 0) continue;
    auto& result = *made.add_results();
    result.set_topic(static_cast<int>(target.topic));
    result.set_partition(target.partition);
    result.set_end(end);
  }
  return made;
}

ResetRequest request(std::vector<Checkpoint> checkpoints, std::int64_t rows_end, std::optional<std::int64_t> offset,
                     std::int64_t signals_end = 1'000) {
  const auto committed = checkpoints.empty() ? 0 : checkpoints.back().offset();
  return {
      "outlet/3", "d1", {committed, ""}, std::move(checkpoints), {{kRows, {0, rows_end}}, {kSignals, {0, signals_end}}},
      offset};
}

TEST(PlanReset, Table) {
  const std::vector<Checkpoint> three{checkpoint(10, 0, 100), checkpoint(20, 0, 200), checkpoint(30, 0, 300)};
  struct Case {
    const char* title;
    ResetRequest request;
    std::int64_t start;  // offset of the new checkpoint
    std::int64_t emit_from;
  };
  for (const auto& [title, one, start, emit_from] : std::vector<Case>{
           {"an offset between two checkpoints", request(three, 300, 25), 20, 25},
           {"an offset at a checkpoint", request(three, 300, 20), 20, 20},
           {"an offset before all checkpoints", request(three, 300, 5), 0, 5},
           {"everything", request(three, 300, 0), 0, 0},
           {"the offset that the task has read up to", request(three, 300, 30), 30, 30},
           {"results are missing: from the newest checkpoint whose results are all there",
            request(three, 250, std::nullopt), 20, 20},
           {"results end at a checkpoint", request(three, 100, std::nullopt), 10, 10},
           {"more results are missing than any checkpoint knows", request(three, 99, std::nullopt), 0, 0},
           {"results are missing, and an offset is given", request(three, 99, 25), 20, 25},
           {"one of two result partitions",
            request({checkpoint(10, 0, 100, 5), checkpoint(20, 0, 200, 6)}, 200, std::nullopt, 5), 10, 10},
           {"no checkpoint at all",
            [] {
              auto none = request({}, 0, 7);
              none.committed.offset = 9;
              return none;
            }(),
            0, 7},
       }) {
    SCOPED_TRACE(title);
    const auto plan = plan_reset(one);
    ASSERT_TRUE(plan.has_value()) << plan.error().what;
    EXPECT_EQ(plan->checkpoint.offset(), start);
    EXPECT_EQ(plan->emit_from, emit_from);
    EXPECT_EQ(plan->checkpoint.emit_from(), emit_from);
    EXPECT_EQ(plan->checkpoint.task(), "outlet/3");
    EXPECT_EQ(plan->checkpoint.definition_id(), "d1");
    EXPECT_EQ(plan->checkpoint.has_resume(), start > 0);
    if (start > 0) {
      EXPECT_EQ(plan->checkpoint.resume().tally(), std::to_string(start));
      EXPECT_EQ(plan->checkpoint.last_hash(), static_cast<std::uint64_t>(start) * 7);
    }
    EXPECT_EQ(plan->published_to, std::max<std::int64_t>(one.committed.offset, start));
    EXPECT_TRUE(plan->checkpoint.status().empty());
    // The task has to start: the checkpoint names no results that are gone.
    for (const auto& result : plan->checkpoint.results()) {
      EXPECT_LE(result.end(), one.result_partitions.at({static_cast<Topic>(result.topic()), result.partition()}).end);
    }
  }
}

TEST(PlanReset, NamesThePartitionsThatLostResults) {
  const auto plan = plan_reset(request({checkpoint(10, 0, 100)}, 60, std::nullopt));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->missing,
            std::vector<std::string>{"metrics-final partition 0 ends at offset 60, it was filled up to 100"});
}

TEST(PlanReset, TheEpochIsOneAboveAllThatAreKnown) {
  auto one = request({checkpoint(10, 2, 100), checkpoint(20, 1, 100)}, 100, 10);
  EXPECT_EQ(plan_reset(one)->checkpoint.reset_epoch(), 3);
  one.committed.metadata = to_text(CheckpointPointer{6, 1});
  EXPECT_EQ(plan_reset(one)->checkpoint.reset_epoch(), 7);
}

TEST(PlanReset, RefusesAnOffsetThatTheTaskHasNotReached) {
  for (const std::int64_t offset : {-1, 31}) {
    const auto plan = plan_reset(request({checkpoint(30, 0, 100)}, 100, offset));
    ASSERT_FALSE(plan.has_value()) << offset;
    EXPECT_EQ(plan.error().reaction, Reaction::stop);
    EXPECT_NE(plan.error().what.find("0 to 30"), std::string::npos) << plan.error().what;
  }
}

TEST(PlanReset, WithoutMissingResultsAndWithoutAnOffsetThereIsNothingToDo) {
  const auto plan = plan_reset(request({checkpoint(30, 0, 100)}, 100, std::nullopt));
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().reaction, Reaction::stop);
  EXPECT_NE(plan.error().what.find("--offset"), std::string::npos) << plan.error().what;
}

TEST(PlanReset, AResetThatWasInterruptedCanBeRepeated) {
  const std::vector<Checkpoint> before{checkpoint(10, 0, 100), checkpoint(20, 0, 200)};
  auto again = before;
  again.push_back(plan_reset(request(before, 200, 15))->checkpoint);
  auto one = request(again, 200, 12);
  one.committed = {10, to_text(CheckpointPointer{1, 2})};
  const auto plan = plan_reset(one);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->checkpoint.reset_epoch(), 2);
  EXPECT_EQ(plan->checkpoint.offset(), 10);
  EXPECT_EQ(plan->emit_from, 12);
  EXPECT_EQ(plan->published_to, 20);
}

// A checkpoint that a reset wrote must not pass for one whose results are all there.
TEST(PlanReset, ALaterLossIsFoundAlsoBeforeAnEarlierReset) {
  std::vector<Checkpoint> checkpoints{checkpoint(10, 0, 100), checkpoint(20, 0, 200)};
  checkpoints.push_back(plan_reset(request(checkpoints, 200, 20))->checkpoint);
  checkpoints.push_back(checkpoint(30, 1, 300));
  const auto plan = plan_reset(request(checkpoints, 150, std::nullopt));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->emit_from, 10) << "of the results up to 200 the last 50 are gone";
}

TEST(PlanReset, AResetThatWasInterruptedDoesNotHideMissingResults) {
  std::vector<Checkpoint> checkpoints{checkpoint(10, 0, 100), checkpoint(20, 0, 200)};
  checkpoints.push_back(plan_reset(request(checkpoints, 150, 20))->checkpoint);
  const auto plan = plan_reset(request(checkpoints, 150, std::nullopt));
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->emit_from, 10);
}

}  // namespace
}  // namespace fiverate::test
