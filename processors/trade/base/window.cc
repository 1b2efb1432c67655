#include "processors/trade/base/window.h"

#include <algorithm>

namespace fiverate {

std::vector<WindowDays> windows_as_of(Day as_of, const WindowSet& windows) {
  std::vector<WindowDays> days;
  days.reserve(windows.size());
  for (const auto w : windows) {
    const auto window = kWindows[w];
    days.push_back({w, window_of(window, as_of), previous_of(window, as_of), year_earlier(window, as_of)});
  }
  return days;
}

std::string period_of(Day day) {
  return format_date(day).substr(0, 7);
}

DayRange window_of(std::int32_t window, Day as_of) {
  return {window == kMonth ? month_begins(as_of) : as_of - (window - 1), as_of};
}

DayRange previous_of(std::int32_t window, Day as_of) {
  const auto first = window_of(window, as_of).first;
  if (window != kMonth) return {first - window, first - 1};
  const auto previous = month_begins(first - 1);
  return {previous, std::min(previous + (as_of - first), first - 1)};
}

DayRange year_earlier(std::int32_t window, Day as_of) {
  if (window == kMonth) return {same_date_last_year(month_begins(as_of)), same_date_last_year(as_of)};
  return {as_of - (363 + window), as_of - 364};
}

}  // namespace fiverate
