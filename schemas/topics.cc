#include "schemas/topics.h"

#include <algorithm>

namespace fiverate {
namespace {

// A record of deltas or of the ledger may be larger than the broker's default limit of 1 MiB.
constexpr std::string_view kInternalRecordBytesMax = "8388608";
constexpr std::string_view kForever = "-1";
constexpr std::string_view kMillisMax = "9223372036854775807";

// Murmur2 as in org.apache.kafka.common.utils.Utils: 32 bits, this seed, the key as little-endian integers.
std::uint32_t murmur2(std::string_view key) {
  constexpr std::uint32_t kMultiplier = 0x5bd1e995;
  constexpr std::uint32_t kSeed = 0x9747b28c;
  const auto byte_at = [key](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(key[i])}; };

  std::uint32_t hash = kSeed ^ static_cast<std::uint32_t>(key.size());
  std::size_t i = 0;
  for (; i + 4 <= key.size(); i += 4) {
    std::uint32_t chunk = byte_at(i) | byte_at(i + 1) << 8 | byte_at(i + 2) << 16 | byte_at(i + 3) << 24;
    chunk *= kMultiplier;
    chunk ^= chunk >> 24;
    hash = hash * kMultiplier ^ chunk * kMultiplier;
  }
  if (i < key.size()) {
    for (std::size_t at = key.size(); at-- > i;) hash ^= byte_at(at) << 8 * (at - i);
    hash *= kMultiplier;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  return hash ^ hash >> 15;
}

}  // namespace

bool is_source(Topic topic) {
  return std::ranges::find(kSourceTopics, topic) != kSourceTopics.end();
}

bool is_internal(Topic topic) {
  return std::ranges::find(kInternalTopics, topic) != kInternalTopics.end();
}

bool holds_latest(Topic topic) {
  return topic == Topic::metrics || topic == Topic::alerts || topic == Topic::checkpoints;
}

std::optional<Topic> topic_named(std::string_view name) {
  const auto* found = std::ranges::find(kTopicNames, name);
  if (found == kTopicNames.end()) return std::nullopt;
  return static_cast<Topic>(found - kTopicNames.begin());
}

std::optional<Topic> home_of(Event::PayloadCase payload) {
  switch (payload) {
    case Event::kOrder:
      return Topic::orders;
    case Event::kDelivery:
      return Topic::deliveries;
    case Event::kVisit:
      return Topic::visits;
    case Event::kOutlet:
    case Event::kSku:
    case Event::kRegion:
    case Event::kPolicy:
    case Event::kTarget:
    case Event::kPlan:
    case Event::kAllocation:
    case Event::kCalendar:
      return Topic::reference;
    case Event::kCommand:
      return Topic::commands;
    case Event::kMark:
    case Event::PAYLOAD_NOT_SET:
      return std::nullopt;
  }
  return std::nullopt;
}

bool is_document(Event::PayloadCase payload) {
  return payload == Event::kOrder || payload == Event::kDelivery || payload == Event::kVisit;
}

std::int32_t PartitionCounts::of(Topic topic) const {
  switch (topic) {
    case Topic::orders:
    case Topic::deliveries:
    case Topic::visits:
      return source;
    case Topic::reference:
    case Topic::commands:
    case Topic::checkpoints:
      return 1;  // all records in one order
    case Topic::ledger:
      return ledger;
    case Topic::deltas:
    case Topic::signals:
    case Topic::metrics:
    case Topic::metrics_final:
    case Topic::alerts:
    case Topic::alert_log:
      return market;
    case Topic::seals:
    case Topic::quarantine:
      return std::max(ledger, market);  // outlet tasks and market tasks write there
  }
  return 1;
}

TopicSettings settings_of(Topic topic, bool live) {
  TopicSettings settings{
      {"cleanup.policy", holds_latest(topic) ? "compact" : "delete"},
      {std::string(kTimestampType), live && is_source(topic) ? std::string(kStampedByKafka) : "CreateTime"},
      // Timestamps are arrivals and may be years old after an import: the broker must not reject, roll or delete anything
      // because of its age.
      {"message.timestamp.before.max.ms", std::string(kMillisMax)},
      {"message.timestamp.after.max.ms", std::string(kMillisMax)},
      {"retention.bytes", std::string(kForever)},
      {"retention.ms", std::string(kForever)},
      {"segment.ms", std::string(kMillisMax)},
      // A broker that is behind must never lead: it would lose acknowledged records.
      {"unclean.leader.election.enable", "false"},
  };
  // Compaction spares the segment that is written to: so much history of all tasks remains for `tasks reset`.
  if (topic == Topic::checkpoints) settings.emplace_back("segment.bytes", "67108864");
  // A record of quarantine holds a source record of any size and its reason.
  if (is_internal(topic) || topic == Topic::quarantine)
    settings.emplace_back("max.message.bytes", kInternalRecordBytesMax);
  return settings;
}

std::int32_t partition_of(std::string_view key, std::int32_t partitions) {
  return static_cast<std::int32_t>(murmur2(key) & 0x7fffffffU) % partitions;
}

}  // namespace fiverate
