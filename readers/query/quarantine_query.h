// Queries on rejected records, from the topic `quarantine`.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "metrics.pb.h"
#include "processors/stream/ports.h"

namespace fiverate {

// Reads `quarantine` to its end and passes on each record once, also where a crash has repeated it. The cause is the key:
// topic, partition, offset and index of the source record, as "deliveries/3/1234/0".
Result<void> read_quarantine(Source& quarantine, const std::function<void(std::string_view cause, Quarantined)>& visit);

// The record that sends a rejected one again: to the same source partition, with the same key and arrival. Nothing if it
// is a single line of an accepted document, or if its bytes are missing or truncated.
std::optional<OutRecord> retry_of(const Quarantined& quarantined, Millis now);

}  // namespace fiverate
