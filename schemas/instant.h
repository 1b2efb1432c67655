// Which numbers are instants: those within 1970..9999, where all arithmetic on days is safe. Events say no other (parse_time,
// check_fields); Kafka takes any number for a timestamp.
#pragma once

#include "schemas/time.h"

namespace fiverate {

inline constexpr Millis kYear10000Ms = 253'402'300'800'000;  // the first instant that is too late

constexpr bool is_instant(Millis millis) {
  return millis >= 0 && millis < kYear10000Ms;
}

}  // namespace fiverate
