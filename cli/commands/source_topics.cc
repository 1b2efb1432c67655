#include "cli/commands/source_topics.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "cli/commands/live_market.h"
#include "cli/commands/market_definition.h"
#include "cli/screen/texts.h"
#include "processors/edge/kafka_log.h"
#include "processors/stages/topology.h"

namespace fiverate {
namespace {

using Inputs = std::vector<Input>;

// A process that was killed leaves requests in the broker's sockets, and another one may be writing still.
constexpr std::chrono::seconds kWrittenWithin{2};

class KafkaRecords final : public SourceRecords {
 public:
  explicit KafkaRecords(const Context& context) : context_(context) {}
  Result<EndOffsets> read_last(const Inputs& inputs, std::int64_t count, const Visit& visit) override {
    return read(inputs, FromLast{count}, visit);
  }
  Result<EndOffsets> read_since(const Inputs& inputs, Millis time, const Visit& visit) override {
    return read(inputs, FromTime{time}, visit);
  }

 private:
  Result<EndOffsets> read(const Inputs& inputs, const ReadFrom& from, const Visit& visit) {
    TRY_VALUE(reader, KafkaReader::open(context_.kafka, {inputs, from, true}));
    std::vector<InRecord> records;
    while (!reader->finished()) {
      records.clear();
      TRY(reader->poll(std::chrono::milliseconds(100), records));
      for (const auto& record : records) visit(record);
    }
    return reader->end_offsets();
  }

  const Context& context_;
};

PartitionEnds last_records(const Context& context, const Inputs& inputs, ImportId import) {
  KafkaRecords topics(context);
  return or_exit(last_records(topics, inputs, import));
}

std::map<Input, std::int64_t> end_offsets(const PartitionEnds& ends) {
  std::map<Input, std::int64_t> offsets;
  for (const auto& [input, end] : ends) offsets[input] = end.end_offset;
  return offsets;
}

std::string reached_text(Millis clock, const MarketCalendar& calendar) {
  return clock == kNever ? "its first records" : minute_text(clock, calendar);
}

void check_settings(const Context& context, const Definition& definition, const char* rejected) {
  const bool live = or_exit(is_live(context));
  if (live || context.config().intake.clock == IntakeClock::wall) {
    throw ExitError(
        kExitFailed,
        fmt::format("{}: {}, so Kafka sets the time of each event. Use a new topics.prefix for a market on marks.",
                    rejected, live ? "this market is live" : "intake.clock is \"wall\""));
  }
  const auto findings = or_exit(check_topics(context.kafka, or_exit(market_plan(context, definition))));
  const auto is_other_definition = [](const TopicFinding& finding) {
    return finding.setting.starts_with("definition") && finding.kind == TopicFinding::Kind::differs;
  };
  if (std::ranges::any_of(findings, is_other_definition)) {
    std::string differences;
    for (const auto& difference : definition_differences(context)) differences += " " + to_text(difference);
    throw ExitError(kExitFailed,
                    fmt::format("{}: the topics were created with another definition.{}", rejected, differences));
  }
  for (const auto& finding : findings) {
    if (finding.kind == TopicFinding::Kind::surplus) continue;
    if (finding.kind == TopicFinding::Kind::unread) {
      throw ExitError(kExitFailed,
                      fmt::format("{}: {}. Take them in with `{}`.", rejected, to_text(finding), kExtendCommand));
    }
    if (finding.setting == kTimestampType) {
      throw ExitError(kExitFailed, fmt::format("{}: {}. Its source topics have to accept the timestamps of the writer.",
                                               rejected, to_text(finding)));
    }
    if (finding.setting == "topic" || finding.setting == "partitions")
      throw ExitError(kExitFailed, to_text(finding) + " Run `fiverate topics create`.");
  }
}

}  // namespace

FoundImport check_source_topics(const Context& context, const Definition& definition, const MarketCalendar& calendar,
                                const SourceWriting& writing) {
  const bool is_import = writing.kind == SourceWriterKind::import;
  const auto* const rejected = is_import ? "Import rejected" : "Simulation rejected";
  check_settings(context, definition, rejected);
  const auto inputs = source_inputs(definition);
  const auto& [import, first_mark, begins] = writing.request;
  KafkaRecords records(context);
  auto topics = or_exit(find_import(records, inputs, writing.request));
  const auto clock = clock_of(topics.ends);
  switch (topics.state) {
    case ImportState::followed:
      return topics;
    case ImportState::other_follows:
      throw ExitError(kExitFailed, fmt::format("{}: a part of it was written, and another import or simulation since, "
                                               "so it cannot be completed. Use a new topics.prefix.",
                                               rejected));
    case ImportState::other_incomplete:
      throw ExitError(
          kExitFailed,
          fmt::format("{}: the topics hold the first part of another import or simulation, which stopped at {}. {} "
                      "Repeat that one first to complete it, or use a new topics.prefix.",
                      rejected, reached_text(clock, calendar),
                      is_import ? "If it was this one, its files, its map, market.timezone or the number of partitions "
                                  "have changed since."
                                : "If it was this one, its options have changed since."));
    case ImportState::begun:
      std::this_thread::sleep_for(kWrittenWithin);
      if (end_offsets(last_records(context, inputs, import)) != end_offsets(topics.ends)) {
        throw ExitError(kExitFailed, fmt::format("{}: another process is writing to the topics now. Wait until it has "
                                                 "ended, then repeat the command.",
                                                 rejected));
      }
      return topics;
    case ImportState::absent:
      break;
  }
  if (clock == kNever) return topics;
  if (clock > begins) {
    throw ExitError(kExitFailed,
                    fmt::format("{}: it starts on {}, but this market is already at {}. Use {}a new topics.prefix.",
                                rejected, minute_text(begins, calendar), minute_text(clock, calendar),
                                is_import ? "--open for earlier imports, or " : ""));
  }
  const auto days = context.config().import.outlier_days;
  if (begins - clock > days * kDayMs && !writing.yes) {
    throw ExitError(
        kExitFailed,
        fmt::format("{}: it starts on {}, but this market is at {}, more than import.outlier_days ({}) before. Each "
                    "day on the way would get rows and become final. Correct the times, or accept them with --yes.",
                    rejected, minute_text(begins, calendar), minute_text(clock, calendar), days));
  }
  return topics;
}

void check_imports_have_ended(const Context& context, const std::vector<Input>& inputs,
                              const MarketCalendar& calendar) {
  constexpr ImportId kNone = 0;
  KafkaRecords records(context);
  const auto ends = or_exit(last_records_of_imports(records, inputs, kNone));
  if (state_of_import(ends) != ImportState::other_incomplete) return;
  throw ExitError(
      kExitFailed,
      fmt::format("Nothing was changed: an import or a simulation has not ended; it stopped at {}. Repeat it "
                  "to complete it, or wait until it has ended.",
                  reached_text(clock_of(ends), calendar)));
}

EmptyPartitions find_empty(const Context& context, const std::vector<Input>& inputs) {
  EmptyPartitions found;
  for (const auto& [input, end] : last_records(context, inputs, 0)) {
    if (end.latest == kNever) {
      found.inputs.push_back(input);
    } else if (found.clock_of_others == kNever || end.latest < found.clock_of_others) {
      found.clock_of_others = end.latest;
    }
  }
  return found;
}

void check_can_go_live(const Context& context, const MarketCalendar& calendar, Millis now) {
  const auto inputs = source_inputs(or_exit(market_definition(context)));
  check_imports_have_ended(context, inputs, calendar);
  const auto clock = find_empty(context, inputs).clock_of_others;
  if (clock == kNever || clock <= now) return;
  throw ExitError(
      kExitFailed,
      fmt::format("Nothing was changed: this market is at {}, later than now ({}): until then every event would "
                  "count as late. Import with --open, so that the clock ends at the last event, or wait.",
                  minute_text(clock, calendar), minute_text(now, calendar)));
}

void check_written_once(const Context& context, ImportId import, const PartitionEnds& before,
                        const std::map<Input, std::int64_t>& sent) {
  Inputs inputs;
  for (const auto& [input, end] : before) inputs.push_back(input);
  const auto now = end_offsets(last_records(context, inputs, import));
  for (const auto& [input, count] : sent) {
    const auto from = before.at(input).end_offset;
    if (now.at(input) - from == count) continue;
    // Actions of people and other programs may be among the records.
    const auto reader = or_exit(KafkaReader::open(context.kafka, {{input}, FromOffsets{{input, from}}, true}));
    std::int64_t own = 0;
    std::vector<InRecord> records;
    while (!reader->finished()) {
      records.clear();
      or_exit(reader->poll(std::chrono::milliseconds(100), records));
      own += std::ranges::count_if(
          records, [&](const InRecord& record) { return record.import && record.import->import == import; });
    }
    if (own > count) {
      throw ExitError(kExitFailed, fmt::format("{} partition {} holds {} records of this import twice: another process "
                                               "has written the same import at the same time. Use a new topics.prefix, "
                                               "and one process.",
                                               name_of(input.topic), input.partition, own - count));
    }
  }
}

}  // namespace fiverate
