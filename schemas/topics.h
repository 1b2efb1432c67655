// The topics: names, payloads, partition counts, settings and keys.
//
// Partitioning: in source topics the producer chooses the partition (their keys are not trusted). ledger is partitioned by outlet
// id, deltas and signals by brand id, with partition_of(): murmur2 as in the Java client, so that other tools agree. A task writes
// into that partition of a result topic which has the task's number.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event.pb.h"

namespace fiverate {

enum class Topic : std::uint8_t {
  orders,
  deliveries,
  visits,
  reference,
  commands,  // source
  ledger,
  deltas,
  signals,  // internal
  metrics,
  metrics_final,
  alerts,
  alert_log,
  seals,
  quarantine,  // results; tasks of several stages share a partition of seals
  checkpoints  // where another process can resume a task
};
inline constexpr std::size_t kTopicCount = 15;
inline constexpr std::array<std::string_view, kTopicCount> kTopicNames{
    "orders",  "deliveries",    "visits", "reference", "commands", "ledger",     "deltas",     "signals",
    "metrics", "metrics-final", "alerts", "alert-log", "seals",    "quarantine", "checkpoints"};
inline constexpr std::array<Topic, 5> kSourceTopics{Topic::orders, Topic::deliveries, Topic::visits, Topic::reference,
                                                    Topic::commands};
// Their partitions may become more (`topics extend`).
inline constexpr std::array<Topic, 3> kDocumentTopics{Topic::orders, Topic::deliveries, Topic::visits};
inline constexpr std::array<Topic, 3> kInternalTopics{Topic::ledger, Topic::deltas, Topic::signals};

constexpr std::string_view name_of(Topic topic) {
  return kTopicNames[static_cast<std::size_t>(topic)];
}
std::optional<Topic> topic_named(std::string_view name);
bool is_source(Topic topic);
bool is_internal(Topic topic);

// The topic to which a payload belongs; nothing for a mark, which belongs to each source topic, and for no payload.
std::optional<Topic> home_of(Event::PayloadCase payload);
bool holds_latest(Topic topic);                // compacted: only the last record of a key counts
bool is_document(Event::PayloadCase payload);  // order, delivery, visit

// The numbers of partitions. They are part of the definition and fixed when the topics are created; only `source` may grow later.
struct PartitionCounts {
  std::int32_t source = 4;  // of orders, deliveries, visits each
  std::int32_t ledger = 4;
  std::int32_t market = 2;  // deltas, signals, metrics, ...

  [[nodiscard]] std::int32_t of(Topic topic) const;
};

// The settings that a topic must have; `topics check` verifies them. `live`: the market is on the wall clock, so Kafka stamps the records
// of source topics.
inline constexpr std::string_view kTimestampType = "message.timestamp.type";
inline constexpr std::string_view kStampedByKafka = "LogAppendTime";
using TopicSettings = std::vector<std::pair<std::string, std::string>>;
TopicSettings settings_of(Topic topic, bool live);

// The partition of a key: murmur2 as in the Java client, modulo the number of partitions.
std::int32_t partition_of(std::string_view key, std::int32_t partitions);

}  // namespace fiverate
