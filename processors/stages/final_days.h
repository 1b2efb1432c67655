// When a day is final: no event that is accepted later can change it.
#pragma once

#include "schemas/time.h"

namespace fiverate {

// Time from the end of a day until it is final: the greatest lateness of a document (14 days) and the day that it may
// be pending.
inline constexpr Millis kFinalAfter = 15 * kDayMs;

// The first day that is not final at `clock`; kNoDay if the clock has no time yet.
inline Day first_open_day(Millis clock, const MarketCalendar& calendar) {
  return clock == kNever ? kNoDay : calendar.day_of(clock - kFinalAfter);
}

}  // namespace fiverate
