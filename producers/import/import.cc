#include "producers/import/import.h"

#include "event.pb.h"
#include "processors/edge/history_source.h"
#include "processors/stages/outlet.h"
#include "schemas/decode.h"

namespace fiverate {
namespace {

class Importer {
 public:
  Importer(Sink& sink, const PartitionCounts& partitions) : sink_(sink), partitions_(partitions) {}

  Result<void> record(const HistoryRecord& record) {
    const auto valid = !decode(record.line, event_);
    const auto partition = record.key.empty() ? 0 : partition_of(record.key, partitions_.of(record.topic));
    ++summary_.records;
    return sink_.send({record.topic, partition, record.arrival, record.key,
                       valid ? event_.SerializeAsString() : std::string(record.line), std::nullopt, std::nullopt});
  }

  // Into every partition of every source topic: nothing before this instant is still to come.
  Result<void> mark(Millis complete_through) {
    const auto value = mark_value(complete_through);
    for (const auto topic : kSourceTopics) {
      for (std::int32_t partition = 0; partition < partitions_.of(topic); ++partition) {
        FIVERATE_TRY(sink_.send({topic, partition, complete_through, "", value, std::nullopt, std::nullopt}));
        ++summary_.marks;
      }
    }
    summary_.ends_with = complete_through;
    return {};
  }

  [[nodiscard]] const ImportSummary& summary() const { return summary_; }

 private:
  Sink& sink_;
  PartitionCounts partitions_;
  Event event_;
  ImportSummary summary_;
};

}  // namespace

Result<ImportSummary> import_history(const History& history, const MarketCalendar& calendar, Sink& sink,
                                     const ImportOptions& options,
                                     const std::function<void(std::size_t, std::size_t)>& progress) {
  constexpr std::size_t kReportEvery = 1000;
  Importer importer(sink, options.partitions);
  auto marked = kNever;
  for (std::size_t i = 0; i < history.size(); ++i) {
    const auto record = history[i];
    if (const auto today = calendar.start_of(calendar.day_of(record.arrival)); today > marked) {
      FIVERATE_TRY(importer.mark(marked = today));
    }
    FIVERATE_TRY(importer.record(record));
    if (progress && i % kReportEvery == 0) progress(i, history.size());
  }
  if (!options.open && history.size() > 0) {
    auto last = history.ends();
    if (history.last_day() != kNoDay) last = std::max(last, calendar.end_of(history.last_day()) + kFinalAfter);
    FIVERATE_TRY(importer.mark(last));
  }
  FIVERATE_TRY(sink.flush());
  if (progress) progress(history.size(), history.size());
  return importer.summary();
}

}  // namespace fiverate
