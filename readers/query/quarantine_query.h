// Queries on rejected records, from the topic `quarantine`.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "metrics.pb.h"
#include "processors/stream/ports.h"
#include "readers/query/result_records.h"
#include "schemas/quarantine_position.h"

namespace fiverate {

// Reads `quarantine` to its end and passes on each record once, also where a crash has repeated it. The cause is the key:
// topic, partition, offset and index of the source record, as "deliveries/3/1234/0".
using VisitQuarantined =
    std::function<void(std::string_view cause, const QuarantinePosition& position, Quarantined record)>;
Result<void> read_quarantine(Source& quarantine, ResultRecords& results, const VisitQuarantined& visit);

// Whether the record can be checked again: not if it is a single line of an accepted document, or if its bytes are missing or
// truncated.
bool is_whole(const Quarantined& quarantined);

}  // namespace fiverate
