#include "processors/trade/rows/series.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace fiverate {
namespace {

TEST(Series, AWindowIsADifferenceOfPrefixSums) {
  Series series;
  series.add(Day{10}, 5);
  series.add(Day{12}, -2);
  series.add(Day{11}, 4);  // late
  series.add(Day{10}, 1);  // the same day again
  EXPECT_EQ(series.through(Day{9}), 0);
  EXPECT_EQ(series.through(Day{10}), 6);
  EXPECT_EQ(series.through(Day{99}), 8);
  EXPECT_EQ(series.between(Day{11}, Day{12}), 2);
  EXPECT_EQ(series.between(Day{13}, Day{20}), 0);
}

RC_GTEST_PROP(SeriesProperty, AnyOrderOfDeltasGivesAnyWindow, ()) {
  Series series;
  std::map<std::int32_t, std::int64_t> plain;
  for (auto count = *rc::gen::inRange(0, 40); count > 0; --count) {
    const auto day = *rc::gen::inRange(0, 60);
    const auto value = *rc::gen::inRange<std::int64_t>(-9, 10);
    series.add(Day{day}, value);
    plain[day] += value;
  }
  const auto fold = *rc::gen::inRange(0, 60);
  series.fold_before(Day{fold});
  const auto first = *rc::gen::inRange(fold, 65);  // Windows from the fold on do not change.
  const auto last = *rc::gen::inRange(first, 70);
  std::int64_t expected = 0;
  for (const auto& [day, value] : plain) expected += day >= first && day <= last ? value : 0;
  RC_ASSERT(series.between(Day{first}, Day{last}) == expected);
}

TEST(Series, FoldingKeepsOneEntryForEarlierDays) {
  Series series;
  for (int day = 0; day < 10; ++day) series.add(Day{day}, 1);
  series.fold_before(Day{8});
  EXPECT_EQ(series.entries().size(), 3U);
  EXPECT_EQ(series.through(Day{7}), 8);
  EXPECT_EQ(series.between(Day{8}, Day{9}), 2);
}

}  // namespace
}  // namespace fiverate
