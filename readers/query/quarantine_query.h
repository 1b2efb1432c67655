// Rejected records as people ask for them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "metrics.pb.h"
#include "processors/stream/ports.h"

namespace fiverate {

// Reads a source of `quarantine` to its end: each cause once, whatever a crash has repeated. The cause is the key:
// "deliveries/3/1234/0", topic, partition, offset and index.
Result<void> read_quarantine(Source& quarantine, const std::function<void(std::string_view cause, Quarantined)>& visit);

// The record to send so that it enters again: to the source partition that it came from, with the key and arrival that
// it had. Nothing: it cannot be sent again (a single line of an accepted event, no bytes, or not all of them).
std::optional<OutRecord> retry_of(const Quarantined& quarantined, Millis now);

}  // namespace fiverate
