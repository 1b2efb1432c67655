// Creates, checks and changes the topics: `fiverate topics create`, `check`, `live`, `extend`. Every request has a timeout of 10 s.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "processors/edge/kafka_client.h"
#include "schemas/topics.h"

namespace fiverate {

// A topic, or one of its settings, that differs from the plan.
struct TopicFinding {
  std::string topic;    // full name
  std::string setting;  // "topic", "partitions", "definition", or a setting of Kafka
  std::string expected;
  std::string found;
  // What it means:
  //   differs     the market would be wrong
  //   missing     `topics create` makes the topic, or completes it
  //   expired     unknown, because the record that has the definition was deleted
  //   unread      a topic of documents has partitions that are not in the definition, so their records are not read
  //   surplus     another topic has such partitions; nobody writes or reads them
  enum class Kind : std::uint8_t { differs, missing, expired, unread, surplus } kind = Kind::differs;
};
std::string to_text(const TopicFinding& finding);

struct TopicPlan {
  PartitionCounts partitions;
  bool live = false;                    // Kafka stamps the records of the source topics
  std::int32_t replication_factor = 1;  // of new topics; from 3 on, two replicas have to acknowledge a record
  // The value of the first record in every partition of ledger, deltas and signals.
  std::function<std::string(Topic)> definition;
};

struct TopicsMade {
  std::vector<std::string> created;
  std::int32_t definitions_written = 0;
  std::vector<TopicFinding> findings;
};

// Creates the missing topics. A second run creates nothing, and completes a first one that was interrupted. If existing topics differ
// from the plan, nothing is created or written. Partitions beyond the plan are not used.
// Two runs at the same time are not supported: both might write the definition.
[[nodiscard]] Result<TopicsMade> create_topics(const KafkaSettings& settings, const TopicPlan& plan);

// An empty list: all topics are as planned.
[[nodiscard]] Result<std::vector<TopicFinding>> check_topics(const KafkaSettings& settings, const TopicPlan& plan);

// From the return on Kafka stamps the records of all source topics. A second call changes nothing.
[[nodiscard]] Result<void> let_kafka_stamp(const KafkaSettings& settings);

// The number of partitions of each topic that exists.
[[nodiscard]] Result<std::map<Topic, std::int32_t>> count_partitions(const KafkaSettings& settings);
// Adds partitions to a topic. Kafka cannot remove them again.
[[nodiscard]] Result<void> grow_topic(const KafkaSettings& settings, Topic topic, std::int32_t partitions);

// Full names of our topics with a single replica: a power failure of its broker may lose acknowledged records.
[[nodiscard]] Result<std::vector<std::string>> topics_with_one_replica(const KafkaSettings& settings);

}  // namespace fiverate
