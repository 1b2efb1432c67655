// Windows: the last 7, 28 and 91 days and the calendar month to date, and the days that each is compared with.
//
//                    rolling window of n days       calendar month
//   window           [D - n + 1, D]                 [first of the month, D]
//   previous         the n days before the window   as many days of the previous month, from its first to its last
//   a year earlier   the window 364 days before     the same dates of the year before; 29 February becomes the 28th
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/time.h"

namespace fiverate {

inline constexpr std::int32_t kMonth = 0;  // A window of 0 days stands for the calendar month.
inline constexpr std::array<std::int32_t, 4> kWindows{kMonth, 7, 28, 91};
inline constexpr std::size_t kWindowCount = kWindows.size();
inline constexpr std::int32_t kLongestWindow = 91;

// Names of windows in the configuration, in its order, and the window of each.
inline constexpr std::array<std::string_view, kWindowCount> kWindowNames{"7", "28", "91", "month"};
constexpr std::size_t window_index(std::size_t name_index) {
  return (name_index + 1) % kWindowCount;
}

// A set of windows, by their indices in kWindows: for (const auto w : windows) ... kWindows[w].
class WindowSet {
 public:
  static constexpr WindowSet all() {
    WindowSet windows;
    for (std::size_t w = 0; w < kWindowCount; ++w) windows.insert(w);
    return windows;
  }
  constexpr void insert(std::size_t window) {
    if (has(window)) return;
    auto at = size_++;
    for (; at > 0 && indices_[at - 1] > window; --at) indices_[at] = indices_[at - 1];
    indices_[at] = static_cast<std::uint8_t>(window);
  }
  [[nodiscard]] constexpr bool has(std::size_t window) const { return std::find(begin(), end(), window) != end(); }
  [[nodiscard]] constexpr std::size_t size() const { return size_; }
  [[nodiscard]] constexpr const std::uint8_t* begin() const { return indices_.data(); }
  [[nodiscard]] constexpr const std::uint8_t* end() const { return indices_.data() + size_; }
  friend constexpr bool operator==(const WindowSet&, const WindowSet&) = default;

 private:
  std::array<std::uint8_t, kWindowCount> indices_{};  // ascending
  std::size_t size_ = 0;
};

struct DayRange {
  Day first;
  Day last;  // included
  friend bool operator==(DayRange, DayRange) = default;
};

// `window` is one of kWindows; `as_of` is a day of the years 1970 to 9999.
DayRange window_of(std::int32_t window, Day as_of);
DayRange previous_of(std::int32_t window, Day as_of);
DayRange year_earlier(std::int32_t window, Day as_of);

// The first day whose window does not contain `day` any more: after the window's length, or in the next month.
inline Day leaves_window(std::int32_t window, Day day) {
  return window == kMonth ? next_month_begins(day) : day + window;
}

// A window as of a day, and the days that it is compared with.
struct WindowDays {
  std::size_t window;  // its index in kWindows
  DayRange days, previous, year_earlier;
};
std::vector<WindowDays> windows_as_of(Day as_of, const WindowSet& windows);

std::string period_of(Day day);  // The month of a day: "2026-03".

}  // namespace fiverate
