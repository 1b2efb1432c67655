// Import: a history into the source topics, in the canonical order of a file replay, with marks that say what time it is. The
// topics must let the producer set timestamps (intake's clock = marks).
//
// What is valid goes as Protobuf, what is not as it came, so that intake quarantines it with its bytes.
#pragma once

#include <cstdint>
#include <functional>

#include "processors/edge/history.h"
#include "processors/stream/ports.h"
#include "schemas/topics.h"

namespace fiverate {

struct ImportOptions {
  PartitionCounts partitions;
  bool open = false;  // leave out the last marks, which make all days final
};

struct ImportSummary {
  std::int64_t records = 0;
  std::int64_t marks = 0;
  Millis ends_with = kNever;  // the last mark
};

Result<ImportSummary> import_history(const History& history, const MarketCalendar& calendar, Sink& sink,
                                     const ImportOptions& options,
                                     const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace fiverate
