// Windows: the last 7, 28 and 91 days and the calendar month to date, with the days that each is compared with.
//
//   window            [D - n + 1, D]                       month: [its first, D]
//   previous          the n days before it                 month: as many days from the first of the month before, cut at its end
//   a year earlier    the window 364 days before           month: the same dates, 29 February read as the 28th
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "schemas/time.h"

namespace fiverate {

inline constexpr std::int32_t kMonth = 0;  // a window of 0 days is the calendar month
inline constexpr std::array<std::int32_t, 4> kWindows{kMonth, 7, 28, 91};
inline constexpr std::size_t kWindowCount = kWindows.size();
inline constexpr std::int32_t kLongestWindow = 91;

struct DayRange {
  Day first;
  Day last;  // included
  friend bool operator==(DayRange, DayRange) = default;
};

// `window` is one of kWindows, `as_of` a day of 1970..9999.
DayRange window_of(std::int32_t window, Day as_of);
DayRange previous_of(std::int32_t window, Day as_of);
DayRange year_earlier(std::int32_t window, Day as_of);

std::string period_of(Day day);  // "2026-03"

}  // namespace fiverate
