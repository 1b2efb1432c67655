#include "processors/trade/base/intervals.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace fiverate {
namespace {

constexpr std::int32_t kDays = 40;

Interval days(std::int32_t from, std::int32_t to) {
  return {Day{from}, Day{to}};
}

TEST(Intervals, AppendMergesAdjoiningAndOverlappingIntervals) {
  Intervals set;
  append(set, days(1, 3));
  append(set, days(3, 5));  // adjoins
  append(set, days(4, 4));  // empty
  append(set, days(4, 9));
  append(set, days(5, 6));  // inside
  append(set, days(10, 11));
  EXPECT_EQ(set, (Intervals{days(1, 9), days(10, 11)}));
}

TEST(Intervals, AnOpenEndStaysOpenWhenShifted) {
  const Intervals open{{Day{1}, Day{3}}, {Day{5}, kEndOfDays}};
  EXPECT_EQ(shifted(open, 7), (Intervals{days(8, 10), {Day{12}, kEndOfDays}}));
}

// The days of the intervals, one by one.
std::set<std::int32_t> members(const Intervals& set) {
  std::set<std::int32_t> result;
  for (const auto& interval : set) {
    for (auto day = interval.from.number; day < std::min(interval.to.number, 3 * kDays); ++day) result.insert(day);
  }
  return result;
}

Intervals random_set() {
  auto starts = *rc::gen::container<std::vector<std::int32_t>>(rc::gen::inRange(0, kDays));
  std::sort(starts.begin(), starts.end());
  Intervals set;
  for (const auto start : starts) append(set, days(start, start + *rc::gen::inRange(0, 9)));
  if (*rc::gen::inRange(0, 4) == 0 && !set.empty()) set.back().to = kEndOfDays;
  return set;
}

void is_well_formed(const Intervals& set) {
  for (std::size_t i = 0; i < set.size(); ++i) {
    RC_ASSERT(set[i].from < set[i].to);
    if (i > 0) RC_ASSERT(set[i - 1].to < set[i].from);
  }
}

RC_GTEST_PROP(IntervalsProperty, EqualOperationsOnSetsOfDays, ()) {
  const auto a = random_set();
  const auto b = random_set();
  is_well_formed(a);
  std::set<std::int32_t> both;
  std::set<std::int32_t> only_a;
  for (const auto day : members(a)) (members(b).contains(day) ? both : only_a).insert(day);
  RC_ASSERT(members(intersection(a, b)) == both);
  RC_ASSERT(members(difference(a, b)) == only_a);
  is_well_formed(intersection(a, b));
  is_well_formed(difference(a, b));
}

}  // namespace
}  // namespace fiverate
