// JSON -> Event, without the checks. Included by decode.cc only; other code includes decode.h, which declares to_json() too.
#pragma once

#include <string>
#include <string_view>

#include "event.pb.h"
#include "schemas/findings.h"

namespace fiverate {

// Reads one JSON object into `event`, which is empty before. False: the text is not JSON, not an object, or nested too deeply;
// `detail` then describes the error. Faults of single fields are added to `findings`. Integers outside int64 are clamped, so
// they stay out of range.
bool read_json(std::string_view text, Event& event, Findings& findings, std::string& detail);

// True for one JSON value of any kind and depth.
bool is_json(std::string_view text);

}  // namespace fiverate
