#include "producers/import/import.h"

#include "processors/stages/outlet.h"
#include "schemas/mark.h"

namespace fiverate {

namespace {

// Raise it when the records of an import, their partitions or their numbers change.
constexpr std::string_view kImportVersion = "import 1";

}  // namespace

ImportId import_id(const History& history, const MarketCalendar& calendar, const PartitionCounts& partitions) {
  auto id = history.hash();
  id = chained(id, kImportVersion, calendar.zone_name());  // midnights of the zone are marks
  return chained(id, "", std::to_string(partitions.source));
}

Millis first_mark(const History& history, const MarketCalendar& calendar) {
  return calendar.start_of(calendar.day_of(history[0].arrival));
}

Result<ImportSummary> import_history(const History& history, const MarketCalendar& calendar, Sink& sink,
                                     const ImportOptions& options,
                                     const std::function<void(std::size_t, std::size_t)>& progress) {
  constexpr std::size_t kReportEvery = 1000;
  SourceWriter writer(sink, options.partitions, options.start);
  auto marked = kNever;
  bool stopped = false;
  for (std::size_t i = 0; i < history.size() && !stopped; ++i) {
    const auto record = history[i];
    if (const auto today = midnight_before(record.arrival, calendar); today > marked) {
      TRY(writer.mark(marked = today));
    }
    TRY(writer.record(record.topic, record.arrival, record.key, record.line));
    stopped = options.stop();
    if (progress && i % kReportEvery == 0) progress(i, history.size());
  }
  if (!stopped) {
    auto last = history.ends();
    if (history.last_day() != kNoDay) last = std::max(last, calendar.end_of(history.last_day()) + kFinalAfter);
    TRY(writer.end(options.open ? std::nullopt : std::optional(last)));
    if (progress) progress(history.size(), history.size());
  }
  TRY(writer.flush());
  return ImportSummary{writer.summary(), writer.sent(), !stopped};
}

}  // namespace fiverate
