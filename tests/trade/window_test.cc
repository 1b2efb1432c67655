#include "processors/trade/base/window.h"

#include <gtest/gtest.h>

#include "processors/trade/measures/membership.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

std::string shown(DayRange days) {
  return format_date(days.first) + " " + format_date(days.last);
}

TEST(Window, OfSevenDaysEndsWithItsDay) {
  const auto d = day("2026-03-15");
  EXPECT_EQ(shown(window_of(7, d)), "2026-03-09 2026-03-15");
  EXPECT_EQ(shown(previous_of(7, d)), "2026-03-02 2026-03-08");
  EXPECT_EQ(shown(year_earlier(7, d)), "2025-03-10 2025-03-16") << "364 days: the same days of the week";
}

TEST(Window, OfAMonthIsComparedWithTheSameDatesOfTheMonthBefore) {
  struct Case {
    std::string_view as_of, window, previous, last_year;
  };
  for (const auto& [as_of, window, previous, last_year] :
       std::vector<Case>{{"2026-03-14", "2026-03-01 2026-03-14", "2026-02-01 2026-02-14", "2025-03-01 2025-03-14"},
                         {"2026-03-31", "2026-03-01 2026-03-31", "2026-02-01 2026-02-28", "2025-03-01 2025-03-31"},
                         {"2026-02-28", "2026-02-01 2026-02-28", "2026-01-01 2026-01-28", "2025-02-01 2025-02-28"},
                         {"2024-02-29", "2024-02-01 2024-02-29", "2024-01-01 2024-01-29", "2023-02-01 2023-02-28"},
                         {"2026-01-01", "2026-01-01 2026-01-01", "2025-12-01 2025-12-01", "2025-01-01 2025-01-01"}}) {
    EXPECT_EQ(shown(window_of(kMonth, day(as_of))), window);
    EXPECT_EQ(shown(previous_of(kMonth, day(as_of))), previous);
    EXPECT_EQ(shown(year_earlier(kMonth, day(as_of))), last_year);
  }
  EXPECT_EQ(period_of(day("2026-03-14")), "2026-03");
}

// Intervals as "3-9 17-23", in days since 1 March 2026.
std::string members(const Intervals& days) {
  std::string text;
  for (const auto& stretch : days) {
    text +=
        (text.empty() ? "" : " ") + std::to_string(stretch.from - nth(0)) + "-" + std::to_string(stretch.to - nth(1));
  }
  return text;
}

TEST(Windows, ASetIsInTheOrderOfAllWindowsWithoutRepetitions) {
  WindowSet windows;
  for (const std::size_t w : {3, 1, 3}) windows.insert(w);
  EXPECT_EQ(std::vector<int>(windows.begin(), windows.end()), (std::vector{1, 3}));
  EXPECT_TRUE(windows.has(3));
  EXPECT_FALSE(windows.has(0));
  EXPECT_EQ(WindowSet::all().size(), kWindowCount);
  const auto days = windows_as_of(Day{100}, windows);
  ASSERT_EQ(days.size(), 2U);
  EXPECT_EQ(days[0].days, (DayRange{Day{94}, Day{100}}));
  EXPECT_EQ(days[1].window, 3U);
}

TEST(Windows, EachHasItsNameOfTheConfiguration) {
  for (std::size_t i = 0; i < kWindowNames.size(); ++i) {
    const auto window = kWindows[window_index(i)];
    EXPECT_EQ(kWindowNames[i], window == kMonth ? "month" : std::to_string(window));
  }
}

TEST(Members, OfAMonthStayToItsEnd) {
  EXPECT_EQ(members(members_of(std::vector{nth(3), nth(20)}, kMonth)), "3-30");
  EXPECT_EQ(members(members_of(std::vector{nth(3), nth(31)}, kMonth)), "3-60") << "March and April";
}

TEST(Members, RepeatInAMonthFromTheSameDateAsInTheMonthBefore) {
  EXPECT_EQ(members(repeat_members_of(std::vector{nth(3), nth(40)}, kMonth)), "40-60") << "4 March, 10 April";
  EXPECT_EQ(members(repeat_members_of(std::vector{nth(19), nth(33)}, kMonth)), "50-60")
      << "20 March counts from 20 April on";
  EXPECT_EQ(members(repeat_members_of(std::vector{nth(30), nth(33)}, kMonth)), "") << "April has no 31st day";
  EXPECT_EQ(members(repeat_members_of(std::vector{nth(3), nth(70)}, kMonth)), "") << "nothing in April";
}

}  // namespace
}  // namespace fiverate::test
