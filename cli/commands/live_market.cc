#include "cli/commands/live_market.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "cli/commands/market_definition.h"
#include "cli/wall_clock.h"
#include "processors/edge/kafka_admin.h"
#include "processors/edge/kafka_log.h"
#include "processors/stages/topology.h"
#include "schemas/mark.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPollWait{100};
constexpr std::chrono::milliseconds kAgainAfter{200};
// Comes back unchanged from a topic that Kafka does not stamp yet.
constexpr Millis kNotStamped = 1;

using Ends = std::map<Input, std::int64_t>;

Result<Ends> ends_of(const Context& context, const std::vector<Input>& inputs) {
  ReaderOptions reading{inputs, FromLast{1}, true};
  TRY_VALUE(reader, KafkaReader::open(context.kafka, std::move(reading)));
  std::vector<InRecord> records;
  while (!reader->finished()) TRY(reader->poll(kPollWait, records));
  return reader->end_offsets();
}

Result<void> write_live_marks(const Context& context, const std::vector<Input>& inputs, const std::string& value) {
  TRY_VALUE(sink, KafkaSink::open(context.kafka));
  for (const auto& input : inputs)
    TRY(sink->send({input.topic, input.partition, kNotStamped, "", value, std::nullopt, std::nullopt}));
  return sink->flush();
}

// Whether Kafka has stamped a record with this value behind the end of every partition.
Result<bool> are_stamped(const Context& context, const Ends& from, const std::string& value) {
  ReaderOptions reading{{}, FromOffsets{from}, true};
  for (const auto& [input, end] : from) reading.inputs.push_back(input);
  TRY_VALUE(reader, KafkaReader::open(context.kafka, std::move(reading)));
  std::set<Input> stamped;
  std::vector<InRecord> records;
  while (!reader->finished()) {
    records.clear();
    TRY(reader->poll(kPollWait, records));
    for (const auto& record : records) {
      if (record.value == value && record.timestamp != kNotStamped) stamped.insert(record.input);
    }
  }
  return stamped.size() == from.size();
}

}  // namespace

Result<void> go_live(const Context& context) {
  TRY_VALUE(definition, market_definition(context));
  const auto inputs = source_inputs(definition);
  TRY(let_kafka_stamp(context.kafka));
  const auto value = mark_value(wall_clock(), true);
  // Each broker has the setting a moment later.
  const auto deadline = Clock::now() + kKafkaAnswerWithin;
  for (;;) {
    TRY_VALUE(ends, ends_of(context, inputs));
    TRY(write_live_marks(context, inputs, value));
    TRY_VALUE(stamped, are_stamped(context, ends, value));
    if (stamped) return {};
    if (Clock::now() > deadline) {
      return fail(Reaction::retry,
                  "Kafka does not stamp the records of the source topics {} s after the setting was changed.",
                  kKafkaAnswerWithin.count());
    }
    std::this_thread::sleep_for(kAgainAfter);
  }
}

Result<void> ensure_clock(const Context& context) {
  const auto clock = context.config().intake.clock;
  TRY_VALUE(live, is_live(context.kafka));
  if (live && clock == IntakeClock::marks) {
    return fail(
        Reaction::stop,
        "intake.clock is \"marks\", but this market is live: Kafka stamps its source records. Remove the setting, "
        "or use a new topics.prefix for a market on marks.");
  }
  if (live) return go_live(context);
  if (clock != IntakeClock::wall) return {};
  TRY_VALUE(definition, market_definition(context));
  TRY_VALUE(ends, ends_of(context, source_inputs(definition)));
  if (std::ranges::all_of(ends, [](const auto& end) { return end.second == 0; })) return go_live(context);
  return fail(
      Reaction::stop,
      "intake.clock is \"wall\", but this market has records on marks. `fiverate topics live` puts it on the wall "
      "clock for good; or remove the setting.");
}

}  // namespace fiverate
