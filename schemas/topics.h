// The topics: names, who reads which payload, partition counts, settings, keys. One place for all of it.
//
// Partitioning: source topics by whoever produces (keys there are not trusted); ledger by outlet id, deltas and signals by
// brand id, to partitions that we compute with partition_of (murmur2 as in the Java client, so that tools agree); result
// topics to the number of the task that writes them.
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
  orders, deliveries, visits, reference, commands,           // source
  ledger, deltas, signals,                                   // internal
  metrics, metrics_final, alerts, alert_log, seals, quarantine,  // results; outlet, market and desk share a partition of seals
  checkpoints                                                    // where another process can resume a task
};
inline constexpr std::size_t kTopicCount = 15;
inline constexpr std::array<std::string_view, kTopicCount> kTopicNames{
    "orders",  "deliveries",    "visits", "reference", "commands", "ledger",    "deltas",
    "signals", "metrics",       "metrics-final", "alerts", "alert-log", "seals", "quarantine", "checkpoints"};
inline constexpr std::array<Topic, 5> kSourceTopics{Topic::orders, Topic::deliveries, Topic::visits,
                                                    Topic::reference, Topic::commands};
inline constexpr std::array<Topic, 3> kInternalTopics{Topic::ledger, Topic::deltas, Topic::signals};

constexpr std::string_view name_of(Topic topic) { return kTopicNames[static_cast<std::size_t>(topic)]; }
std::optional<Topic> topic_named(std::string_view name);
bool is_source(Topic topic);
bool is_internal(Topic topic);

// The topic in which a payload is at home; nothing for a mark (at home in each) and for no payload.
std::optional<Topic> home_of(Event::PayloadCase payload);
bool holds_latest(Topic topic);              // compacted: only the last record of a key counts
bool is_document(Event::PayloadCase payload);  // order, delivery, visit

// How many partitions. Fixed when the topics are created: they are part of the definition.
struct PartitionCounts {
  std::int32_t source = 4;  // of orders, deliveries, visits each
  std::int32_t ledger = 4;
  std::int32_t market = 2;  // deltas, signals, metrics, ...

  [[nodiscard]] std::int32_t of(Topic topic) const;
};

// Settings that a topic needs to be right (verified by `topics check`).
using TopicSettings = std::vector<std::pair<std::string, std::string>>;
TopicSettings settings_of(Topic topic, bool wall_clock);

// murmur2 of the Java client, then modulo: the partition of a key.
std::int32_t partition_of(std::string_view key, std::int32_t partitions);

}  // namespace fiverate
