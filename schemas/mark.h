// A mark: a source record that contains no event, only the arrival up to which its partition is complete.
#pragma once

#include <string>

#include "event.pb.h"
#include "schemas/decode.h"
#include "schemas/time.h"

namespace fiverate {

// The value of the record.
inline std::string mark_value(Millis complete_through) {
  Event event;
  set_millis(*event.mutable_mark()->mutable_complete_through(), complete_through);
  return event.SerializeAsString();
}

}  // namespace fiverate
