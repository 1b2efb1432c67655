#include "cli/commands/source_topics.h"

#include <chrono>
#include <limits>

#include "processors/edge/kafka_log.h"
#include "processors/stages/topology.h"

namespace fiverate {
namespace {

// The latest timestamp of each source partition, marks included; the lowest of them is where the market's clock stands.
Millis clock_of_sources(const Context& context) {
  const auto definition = context.definition();
  auto lowest = std::numeric_limits<Millis>::max();
  for (const auto& input : source_inputs(definition)) {
    ReaderOptions reading;
    reading.inputs = {input};
    reading.from = FromTail{1};
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
    if (lowest == kNever) break;  // one partition without anything: the clock does not run yet
  }
  return lowest;
}

}  // namespace

void check_source_topics(const Context& context, const MarketCalendar& calendar, std::string_view what, Millis begins) {
  if (context.config().intake.clock == IntakeClock::wall) {
    throw ExitError(kExitFailed,
                    fmt::format("{0} writes timestamps of its own, but intake.clock is \"wall\": the market's clock "
                                "is today's there. Use topics made with intake.clock = \"marks\" for {0}.",
                                what));
  }
  for (const auto& finding : or_exit(check_topics(context.kafka, context.topic_plan()))) {
    if (finding.setting == "topic" || finding.setting == "partitions")
      throw ExitError(kExitFailed, to_text(finding) + " Run `fiverate topics create`.");
    if (finding.setting == "message.timestamp.type") {
      throw ExitError(kExitFailed,
                      fmt::format("{} {} needs the timestamps of its records (CreateTime).", to_text(finding), what));
    }
  }
  const auto clock = clock_of_sources(context);
  if (clock != kNever && clock > begins) {
    throw ExitError(
        kExitFailed,
        fmt::format("The market's clock stands at {} already; what {} brings begins at {}. What is past cannot "
                    "be brought again: use new topics (topics.prefix).",
                    calendar.format(clock), what, calendar.format(begins)));
  }
}

}  // namespace fiverate
