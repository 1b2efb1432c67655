// A mark: a source record that contains no event, only the arrival up to which its partition is complete.
#pragma once

#include <algorithm>
#include <string>

#include "event.pb.h"
#include "schemas/decode.h"
#include "schemas/time.h"

namespace fiverate {

// The value of the record. `live`: from this mark on its partition is on the wall clock.
inline std::string mark_value(Millis complete_through, bool live = false) {
  Event event;
  set_millis(*event.mutable_mark()->mutable_complete_through(), complete_through);
  if (live) event.mutable_mark()->set_live(true);
  return event.SerializeAsString();
}

// The last midnight at or before the arrival, for the mark in front of its record. The first day of a market east of Greenwich
// begins before 1970, where there are no instants: its mark is that of 1970-01-01T00:00Z.
inline Millis midnight_before(Millis arrival, const MarketCalendar& calendar) {
  return std::max<Millis>(calendar.start_of(calendar.day_of(arrival)), 0);
}

}  // namespace fiverate
