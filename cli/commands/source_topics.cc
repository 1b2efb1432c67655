#include "cli/commands/source_topics.h"

#include <chrono>
#include <limits>

#include "cli/screen/texts.h"
#include "processors/edge/kafka_log.h"
#include "processors/stages/topology.h"

namespace fiverate {
namespace {

// The market's clock: the lowest over the source partitions of their latest timestamp, marks included.
Millis clock_of_sources(const Context& context) {
  const auto definition = context.definition();
  auto lowest = std::numeric_limits<Millis>::max();
  for (const auto& input : source_inputs(definition)) {
    ReaderOptions reading;
    reading.inputs = {input};
    reading.from = FromLast{1};
    reading.until_end = true;
    const auto reader = or_exit(KafkaReader::open(context.kafka, reading));
    auto latest = kNever;
    std::vector<InRecord> records;
    while (!reader->finished()) {
      records.clear();
      or_exit(reader->poll(std::chrono::milliseconds(100), records));
      for (const auto& record : records) latest = std::max(latest, record.timestamp);
    }
    lowest = std::min(lowest, latest);
    if (lowest == kNever) break;  // while a partition is empty the clock is not set
  }
  return lowest;
}

}  // namespace

void check_source_topics(const Context& context, const MarketCalendar& calendar, SourceWriterKind writer,
                         Millis begins) {
  const bool is_import = writer == SourceWriterKind::import;
  const auto* const rejected = is_import ? "Import rejected" : "Simulation rejected";
  if (context.config().intake.clock == IntakeClock::wall) {
    throw ExitError(kExitFailed,
                    fmt::format("{}: intake.clock is \"wall\", so Kafka sets the time of each event. Use topics "
                                "that were created with intake.clock = \"marks\".",
                                rejected));
  }
  for (const auto& finding : or_exit(check_topics(context.kafka, context.topic_plan()))) {
    if (finding.setting == "topic" || finding.setting == "partitions")
      throw ExitError(kExitFailed, to_text(finding) + " Run `fiverate topics create`.");
    if (finding.setting == "message.timestamp.type") {
      throw ExitError(kExitFailed, fmt::format("{}: topic {} must accept timestamps of the writer, but its {} is {}.",
                                               rejected, finding.topic, finding.setting, finding.found));
    }
  }
  const auto clock = clock_of_sources(context);
  if (clock != kNever && clock > begins) {
    throw ExitError(kExitFailed,
                    fmt::format("{}: it starts on {}, but this market is already at {}. Use {}a new topics.prefix.",
                                rejected, minute_text(begins, calendar), minute_text(clock, calendar),
                                is_import ? "--open for earlier imports, or " : ""));
  }
}

}  // namespace fiverate
