#include "processors/trade/measures/membership.h"

namespace fiverate {

Intervals members_of(std::span<const Day> days, std::int32_t window) {
  Intervals members;
  for (const auto day : days) append(members, {day, leaves_window(window, day)});
  return members;
}

Intervals repeat_members_of(std::span<const Day> days, std::int32_t window) {
  if (window != kMonth) {
    const auto members = members_of(days, window);
    return intersection(members, shifted(members, window));
  }
  // The outlet belongs to it when this month has one of the days, and the previous month one up to the same date.
  Intervals members;
  auto previous_begins = kNoDay;
  auto previous_first = kNoDay;
  auto next_begins = kNoDay;
  for (const auto day : days) {
    if (day < next_begins) continue;  // Only the first day of each month matters.
    const auto begins = month_begins(day);
    if (begins == next_begins) {
      append(members, {std::max(day, begins + (previous_first - previous_begins)), next_month_begins(day)});
    }
    previous_begins = begins;
    previous_first = day;
    next_begins = next_month_begins(day);
  }
  return members;
}

}  // namespace fiverate
