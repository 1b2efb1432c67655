// Import: writes a history into the source topics, in the canonical order of a file replay, with marks (source_writer.h).
#pragma once

#include <cstddef>
#include <functional>

#include "processors/edge/history.h"
#include "producers/source_writer.h"

namespace fiverate {

struct ImportOptions {
  PartitionCounts partitions;
  bool open = false;  // true: do not write the last marks, which make all days final
};

Result<SourceSummary> import_history(const History& history, const MarketCalendar& calendar, Sink& sink,
                                     const ImportOptions& options,
                                     const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace fiverate
