#include "cli/commands/live_market.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "cli/wall_clock.h"
#include "processors/edge/kafka_admin.h"
#include "processors/edge/kafka_log.h"
#include "processors/stages/topology.h"
#include "schemas/decode.h"
#include "schemas/mark.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPollWait{100};
constexpr std::chrono::milliseconds kAgainAfter{200};
// In a live market each second has a mark; actions of people are few beside them.
constexpr std::int64_t kLastCommands = 1'000;
const Input kCommands{Topic::commands, 0};
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

Result<void> write_until_stamped(const Context& context, const std::vector<Input>& inputs, const std::string& value) {
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

}  // namespace

Result<bool> is_live(const Context& context) {
  ReaderOptions reading{{kCommands}, FromLast{kLastCommands}, true};
  TRY_VALUE(reader, KafkaReader::open(context.kafka, std::move(reading)));
  bool live = false;
  std::vector<InRecord> records;
  while (!reader->finished()) {
    records.clear();
    const auto polled = reader->poll(kPollWait, records);
    if (!polled && polled.error().reaction == Reaction::stop) return false;  // the topic is missing
    TRY(polled);
    for (const auto& record : records) {
      Event event;
      live |= !decode(record.value, event) && event.has_mark() && event.mark().live();
    }
  }
  return live;
}

Result<TopicPlan> market_plan(const Context& context, const Definition& definition) {
  auto plan = context.topic_plan(definition);
  TRY_VALUE(live, is_live(context));
  plan.live = live;
  return plan;
}

Result<void> go_live(const Context& context, const Definition& definition) {
  TRY(let_kafka_stamp(context.kafka));
  auto inputs = source_inputs(definition);
  std::erase(inputs, kCommands);
  const auto value = mark_value(wall_clock(), true);
  TRY(write_until_stamped(context, inputs, value));
  return write_until_stamped(context, {kCommands}, value);
}

Result<void> ensure_clock(const Context& context, const Definition& definition, bool live,
                          const std::vector<TopicFinding>& findings) {
  const auto clock = context.config().intake.clock;
  if (live && clock == IntakeClock::marks) {
    return fail(
        Reaction::stop,
        "intake.clock is \"marks\", but this market is live: Kafka stamps its source records. Remove the setting, "
        "or use a new topics.prefix for a market on marks.");
  }
  const auto other = std::ranges::find(findings, kTimestampType, &TopicFinding::setting);
  if (other != findings.end()) {
    const auto* const advice = live ? "This market is live: `fiverate topics live` restores the setting."
                                    : "This market is on marks. Set it back, or complete an interrupted `fiverate "
                                      "topics live` by repeating it.";
    return fail(Reaction::stop, "{}. {}", to_text(*other), advice);
  }
  if (live || clock != IntakeClock::wall) return {};
  TRY_VALUE(ends, ends_of(context, source_inputs(definition)));
  if (std::ranges::all_of(ends, [](const auto& end) { return end.second == 0; })) return go_live(context, definition);
  return fail(
      Reaction::stop,
      "intake.clock is \"wall\", but this market has records on marks. `fiverate topics live` puts it on the wall "
      "clock for good; or remove the setting.");
}

}  // namespace fiverate
