#include "producers/import/import.h"

#include "processors/stages/outlet.h"
#include "schemas/mark.h"

namespace fiverate {

Result<SourceSummary> import_history(const History& history, const MarketCalendar& calendar, Sink& sink,
                                     const ImportOptions& options,
                                     const std::function<void(std::size_t, std::size_t)>& progress) {
  constexpr std::size_t kReportEvery = 1000;
  SourceWriter writer(sink, options.partitions);
  auto marked = kNever;
  for (std::size_t i = 0; i < history.size(); ++i) {
    const auto record = history[i];
    if (const auto today = midnight_before(record.arrival, calendar); today > marked) {
      TRY(writer.mark(marked = today));
    }
    TRY(writer.record(record.topic, record.arrival, record.key, record.line));
    if (progress && i % kReportEvery == 0) progress(i, history.size());
  }
  if (!options.open && history.size() > 0) {
    auto last = history.ends();
    if (history.last_day() != kNoDay) last = std::max(last, calendar.end_of(history.last_day()) + kFinalAfter);
    TRY(writer.mark(last));
  }
  TRY(writer.flush());
  if (progress) progress(history.size(), history.size());
  return writer.summary();
}

}  // namespace fiverate
