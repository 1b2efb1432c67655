// The checks behind the public check_fields(). Included by decode.cc and event_check.cc only.
#pragma once

#include "event.pb.h"
#include "schemas/findings.h"

namespace fiverate {

inline constexpr std::int64_t kTimestampSecondsMax = 253'402'300'799;  // 9999-12-31T23:59:59Z

void check_fields(const Event& event, Findings& findings);

}  // namespace fiverate
