// Windows: the last 7, 28 and 91 days and the calendar month to date, and the days that each is compared with.
//
//                    rolling window of n days       calendar month
//   window           [D - n + 1, D]                 [first of the month, D]
//   previous         the n days before the window   as many days of the previous month, from its first to its last
//   a year earlier   the window 364 days before     the same dates of the year before; 29 February becomes the 28th
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "schemas/time.h"

namespace fiverate {

inline constexpr std::int32_t kMonth = 0;  // A window of 0 days stands for the calendar month.
inline constexpr std::array<std::int32_t, 4> kWindows{kMonth, 7, 28, 91};
inline constexpr std::size_t kWindowCount = kWindows.size();
inline constexpr std::int32_t kLongestWindow = 91;

struct DayRange {
  Day first;
  Day last;  // included
  friend bool operator==(DayRange, DayRange) = default;
};

// `window` is one of kWindows; `as_of` is a day of the years 1970 to 9999.
DayRange window_of(std::int32_t window, Day as_of);
DayRange previous_of(std::int32_t window, Day as_of);
DayRange year_earlier(std::int32_t window, Day as_of);

std::string period_of(Day day);  // The month of a day: "2026-03".

}  // namespace fiverate
