// Arrivals far from all others: mistyped years are found, and backlogs, small histories and missing seasons are accepted.
#include "processors/trade/facts/outliers.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fiverate {
namespace {

constexpr std::int32_t kLimitDays = 400;

// One arrival a day, `each` times.
std::vector<Millis> daily(std::int32_t first, std::int32_t days, int each = 1) {
  std::vector<Millis> arrivals;
  for (std::int32_t day = first; day < first + days; ++day) {
    for (int i = 0; i < each; ++i) arrivals.push_back(day * kDayMs + i);
  }
  return arrivals;
}

std::vector<Millis> joined(std::vector<Millis> a, const std::vector<Millis>& b) {
  a.insert(a.end(), b.begin(), b.end());
  std::sort(a.begin(), a.end());
  return a;
}

using Ranges = std::vector<ArrivalRange>;

TEST(Outliers, NoArrivalAndOneArrival) {
  EXPECT_EQ(find_outliers({}, kLimitDays).groups, Ranges{});
  const auto found = find_outliers(std::vector<Millis>{7}, kLimitDays);
  EXPECT_EQ(found.groups, Ranges{});
  EXPECT_EQ(found.others, (ArrivalRange{0, 1}));
}

TEST(Outliers, ABacklogOfYearsHasNone) {
  EXPECT_EQ(find_outliers(daily(20'000, 1'100), kLimitDays).groups, Ranges{});
}

TEST(Outliers, AYearFarAwayIsFoundOnBothSides) {
  auto arrivals = joined(daily(20'000, 30), {86'000 * kDayMs, 10'000 * kDayMs, 10'001 * kDayMs});
  const auto found = find_outliers(arrivals, kLimitDays);
  EXPECT_EQ(found.groups, (Ranges{{0, 2}, {32, 33}}));
  EXPECT_EQ(found.others, (ArrivalRange{2, 32}));
}

TEST(Outliers, TheLimitItselfIsAllowed) {
  EXPECT_EQ(find_outliers(joined(daily(20'000, 30), {(20'029 + kLimitDays) * kDayMs}), kLimitDays).groups, Ranges{});
  EXPECT_EQ(find_outliers(joined(daily(20'000, 30), {(20'029 + kLimitDays) * kDayMs + 1}), kLimitDays).groups,
            (Ranges{{30, 31}}));
}

TEST(Outliers, TwoRecordsFarApart) {
  EXPECT_EQ(find_outliers(std::vector<Millis>{20'000 * kDayMs, 86'000 * kDayMs}, kLimitDays).groups, (Ranges{{1, 2}}));
}

// 31 December typed with the next year, in a history of three months with 40 records a day.
TEST(Outliers, AFewRecordsOfTheNextYearAreFoundInALargeHistory) {
  const auto large = daily(20'000, 90, 40);
  const std::vector<Millis> next_year{20'400 * kDayMs, 20'401 * kDayMs};
  EXPECT_EQ(find_outliers(joined(large, next_year), kLimitDays).groups, (Ranges{{3'600, 3'602}}));
  const std::vector<Millis> last_year{19'700 * kDayMs};
  EXPECT_EQ(find_outliers(joined(large, last_year), kLimitDays).groups, (Ranges{{0, 1}}));
}

TEST(Outliers, ASparseHistoryHasLongPauses) {
  EXPECT_EQ(find_outliers(joined(daily(20'000, 90), {20'400 * kDayMs}), kLimitDays).groups, Ranges{});
  EXPECT_EQ(find_outliers(joined(daily(20'000, 60, 40), daily(20'200, 60, 40)), kLimitDays).groups, Ranges{})
      << "a season without records";
}

TEST(Outliers, FewRecordsBetweenTwoSeasonsMoveNoClock) {
  const auto seasons = joined(daily(20'000, 60, 40), daily(20'300, 60, 40));
  EXPECT_EQ(find_outliers(joined(seasons, {20'180 * kDayMs}), kLimitDays).groups, Ranges{});
}

TEST(Outliers, ManyRecordsFarAwayAreFoundToo) {
  const auto found = find_outliers(joined(daily(20'000, 90, 40), daily(20'900, 60, 40)), kLimitDays);
  EXPECT_EQ(found.groups, (Ranges{{3'600, 6'000}}));
}

TEST(Outliers, TheYears1970To9999DoNotOverflow) {
  const auto found = find_outliers(std::vector<Millis>{0, 1, 253'402'300'799'999}, 1'000'000);
  EXPECT_EQ(found.groups, (Ranges{{2, 3}}));
}

}  // namespace
}  // namespace fiverate
