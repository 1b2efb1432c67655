// Instants lie within 1970..9999, where all arithmetic on days is safe. Checked events have no other times (parse_time,
// check_fields), but a timestamp of Kafka may be any number.
#pragma once

#include "schemas/time.h"

namespace fiverate {

inline constexpr Millis kYear10000Ms = 253'402'300'800'000;  // the first instant after the range

// 9999-12-01T00:00Z. In a history no arrival is that late: the marks that make its days final would be beyond the range.
inline constexpr Millis kArrivalsEndMs = kYear10000Ms - 31 * kDayMs;

constexpr bool is_instant(Millis millis) {
  return millis >= 0 && millis < kYear10000Ms;
}

}  // namespace fiverate
