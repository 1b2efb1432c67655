// Import: writes a history into the source topics, in the canonical order of a file replay, with marks (source_writer.h). The same
// content gives the same records, in whatever files and order its lines are; so an import that was interrupted can be repeated.
#pragma once

#include <cstddef>
#include <functional>

#include "processors/edge/history.h"
#include "producers/source_writer.h"

namespace fiverate {

struct ImportOptions {
  PartitionCounts partitions;
  ImportStart start;
  bool open = false;                                  // true: do not write the last marks, which make all days final
  std::function<bool()> stop = [] { return false; };  // true: end early
};

struct ImportSummary {
  SourceSummary source;
  std::map<Input, std::int64_t> sent;  // records and marks
  bool complete = false;               // not ended by `stop`
};

// A hash of all that the records and their numbers depend on.
ImportId import_id(const History& history, const MarketCalendar& calendar, const PartitionCounts& partitions);
// The first mark. No record of the import has an earlier timestamp.
Millis first_mark(const History& history, const MarketCalendar& calendar);

Result<ImportSummary> import_history(const History& history, const MarketCalendar& calendar, Sink& sink,
                                     const ImportOptions& options,
                                     const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace fiverate
