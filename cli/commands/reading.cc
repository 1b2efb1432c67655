#include "cli/commands/reading.h"

#include <chrono>

#include "cli/live/live.h"
#include "cli/screen/message.h"
#include "cli/wall_clock.h"
#include "processors/edge/kafka_offsets.h"
#include "processors/stages/internal_records.h"
#include "processors/stages/topology.h"
#include "schemas/instant.h"

namespace fiverate {

std::vector<Input> all_partitions(const Context& context, Topic topic) {
  std::vector<Input> inputs;
  for (std::int32_t partition = 0; partition < context.partitions().of(topic); ++partition)
    inputs.push_back({topic, partition});
  return inputs;
}

std::unique_ptr<KafkaReader> read_to_end(const Context& context, std::vector<Input> inputs) {
  ReaderOptions reading;
  reading.inputs = std::move(inputs);
  reading.until_end = true;
  return or_exit(KafkaReader::open(context.kafka, std::move(reading)));
}

std::unique_ptr<KafkaReader> follow(const Context& context, std::vector<Input> inputs, ReadFrom from) {
  ReaderOptions reading;
  reading.inputs = std::move(inputs);
  reading.from = std::move(from);
  return or_exit(KafkaReader::open(context.kafka, std::move(reading)));
}

namespace {

constexpr std::int64_t kMoreAtTheEnd = 100;

}  // namespace

Millis market_now(const Context& context) {
  const auto now = market_clock(context);
  return now == kNever ? wall_clock() : now;
}

Millis market_clock(const Context& context) {
  return or_exit(try_market_clock(context));
}

Result<Millis> try_market_clock(const Context& context) {
  const InternalRecords internal(context.definition());
  auto inputs = all_partitions(context, Topic::ledger);
  auto latest = kNever;
  // The last record of a partition has its arrival. Of a partition that ends with others more are read.
  for (std::int64_t count = 1; !inputs.empty(); count *= kMoreAtTheEnd) {
    ReaderOptions reading;
    reading.inputs = inputs;
    reading.from = FromLast{count};
    reading.until_end = true;
    TRY_VALUE(reader, KafkaReader::open(context.kafka, std::move(reading)));
    std::vector<InRecord> records;
    while (!reader->finished()) {
      records.clear();
      TRY(reader->poll(std::chrono::milliseconds(100), records));
      for (const auto& record : records) {
        // The definition, at the beginning or later, has no arrival.
        if (record.offset == 0 || !is_instant(record.timestamp) || internal.foreign_reason(record)) continue;
        latest = std::max(latest, record.timestamp);
        std::erase(inputs, record.input);
      }
    }
    for (const auto& [input, end] : reader->end_offsets()) {
      if (end <= count) std::erase(inputs, input);  // it was read from its beginning
    }
  }
  return latest;
}

void print_ignored(const ResultRecords& results) {
  for (const auto& sentence : results.sentences()) print_message(sentence);
}

Result<std::int64_t> quarantined_so_far(const Context& context) {
  std::int64_t records = 0;
  const auto positions = group_positions(context.kafka, group_of(context.kafka, Stage::intake),
                                         all_partitions(context, Topic::quarantine));
  if (!positions) return tl::make_unexpected(positions.error());
  for (const auto& [input, position] : *positions) records += position.end;
  return records;
}

Millis time_argument(const std::string& text, const char* option, const MarketCalendar& calendar) {
  if (const auto instant = parse_time(text)) return *instant;
  if (const auto local = calendar.parse_local(text)) return *local;
  if (const auto day = parse_date(text)) return calendar.start_of(*day);
  throw ExitError(kExitUsage,
                  fmt::format("Invalid time \"{}\" for {}. Use 2026-03-02T12:00:00 or 2026-03-02.", text, option));
}

Millis duration_argument(const std::string& text, const char* option) {
  const auto length = parse_duration(text);
  if (!length)
    throw ExitError(kExitUsage, fmt::format("Invalid duration \"{}\" for {}. Use 90m, 12h, 2d or 1w.", text, option));
  return *length;
}

Language language_argument(const std::string& text) {
  return text.empty() ? language_of_environment() : language_named(text).value_or(Language::en);
}

}  // namespace fiverate
