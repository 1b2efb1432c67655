#include "processors/stream/result_marks.h"

#include <gtest/gtest.h>

#include "state.pb.h"

namespace fiverate::test {
namespace {

const Input kRows{Topic::metrics_final, 1};

ResultMark mark_at(std::int64_t end, std::int64_t as_of = 0) { return {end, {end * 3, 1}, end * 3, as_of}; }

TEST(ResultMarks, AreFewAndOneIsNearWhateverIsLost) {
  ResultMarks marks;
  constexpr std::int64_t kEnd = 200'000;
  for (std::int64_t end = 1; end <= kEnd; ++end) marks.note(kRows, mark_at(end));
  const auto& kept = marks.of(kRows);
  EXPECT_LE(kept.size(), 48U);
  EXPECT_EQ(kept.front(), mark_at(1));
  EXPECT_EQ(kept.back(), mark_at(kEnd));
  for (std::size_t i = 2; i < kept.size(); ++i) {
    // Who loses more than the younger one of two says some four times as much again at the most.
    EXPECT_LE(kEnd - kept[i - 1].end, 5 * (kEnd - kept[i].end) + 50) << i;
  }
}

TEST(ResultMarks, AnOrderHasFilledItWithLess) {
  ResultMarks marks;
  for (const std::int64_t end : {10, 20, 30}) marks.note(kRows, mark_at(end));
  marks.note(kRows, {15, {50, 0}, 50, 40});
  ASSERT_EQ(marks.of(kRows).size(), 2U);
  EXPECT_EQ(marks.of(kRows).front().end, 10);
  EXPECT_EQ(marks.of(kRows).back().end, 15);
}

TEST(ResultMarks, TheLaterWordIsRight) {
  ResultMarks ours;
  ours.note(kRows, mark_at(10, 100));
  ResultMarks group;
  group.note(kRows, mark_at(12, 101));
  EXPECT_TRUE(ours.learn(group.newest()));
  EXPECT_EQ(ours.of(kRows).back(), mark_at(12, 101));
  ResultMarks older;
  older.note(kRows, mark_at(14, 90));
  EXPECT_TRUE(ours.learn(older.newest()));
  EXPECT_EQ(ours.of(kRows).back(), mark_at(12, 101));
  ours.forget(kRows);
  EXPECT_TRUE(ours.empty());
  EXPECT_TRUE(ours.learn(older.newest())) << "who knows nothing learns from everybody";
  EXPECT_EQ(ours.of(kRows).back(), mark_at(14, 90));
}

TEST(ResultMarks, WhatAnOrderHasReplacedDoesNotComeBackFromAnOldState) {
  ResultMarks old;
  old.note(kRows, mark_at(10, 1900));
  ResultMarks owner;
  owner.note(kRows, mark_at(8, 1860));  // said again, and committed a little earlier
  owner.confirm(5000);
  EXPECT_TRUE(old.learn(owner.newest()));
  EXPECT_EQ(old.of(kRows).back(), mark_at(8, 5000));
}

TEST(ResultMarks, ComeBackFromAState) {
  ResultMarks marks;
  for (std::int64_t end = 1; end <= 100; ++end) marks.note(kRows, mark_at(end, end));
  marks.note({Topic::metrics, 0}, mark_at(5));
  ResultMarks again;
  ASSERT_TRUE(again.learn(marks.to_state()));
  EXPECT_EQ(again.of(kRows), marks.of(kRows));
  EXPECT_EQ(again.of({Topic::metrics, 0}), marks.of({Topic::metrics, 0}));
  EXPECT_EQ(marks.newest().ends_size(), 2);
}

TEST(ResultMarks, WhereRoomIsScarceThoseOfThePartitionsWrittenToLast) {
  ResultMarks marks;
  for (std::int32_t partition = 0; partition < 100; ++partition) marks.note({Topic::quarantine, partition}, mark_at(1000 - partition));
  const auto newest = marks.newest();
  ASSERT_EQ(newest.ends_size(), static_cast<int>(ResultMarks::kNewestMax));
  EXPECT_EQ(newest.partitions(0), 0);
  EXPECT_EQ(newest.partitions(newest.partitions_size() - 1), 15);
}

TEST(ResultMarks, ColumnsThatDoNotBelongTogetherAreRefused) {
  ResultMarks marks;
  marks.note(kRows, mark_at(5));
  auto state = marks.to_state();
  state.add_said(7);
  EXPECT_FALSE(ResultMarks().learn(state));
}

}  // namespace
}  // namespace fiverate::test
