#include "processors/trade/measures/membership.h"

namespace fiverate {

Intervals members_of(const std::vector<Day>& days, std::int32_t window) {
  Intervals members;
  for (const auto day : days) append(members, {day, window == kMonth ? next_month_begins(day) : day + window});
  return members;
}

Intervals repeat_members_of(const std::vector<Day>& days, std::int32_t window) {
  if (window != kMonth) {
    const auto members = members_of(days, window);
    return intersection(members, shifted(members, window));
  }
  // Once in this month, and in the month before by a day that this one has come as far as.
  Intervals members;
  auto previous_begins = kNoDay;
  auto previous_first = kNoDay;
  auto next_begins = kNoDay;
  for (const auto day : days) {
    if (day < next_begins) continue;  // not the first of its month
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
