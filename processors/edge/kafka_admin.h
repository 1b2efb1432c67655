// Making and checking the topics: `fiverate topics create` and `topics check`. Every call is bounded (10 s a question).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "processors/edge/kafka_client.h"
#include "schemas/topics.h"

namespace fiverate {

// Something that is not as it has to be.
struct TopicFinding {
  std::string topic;    // full name
  std::string setting;  // "topic", "partitions", "definition", or a setting of Kafka
  std::string wanted;
  std::string found;
  bool expired = false;  // not to be learnt any more: the record that says it is deleted
};
std::string to_text(const TopicFinding& finding);

struct TopicPlan {
  PartitionCounts partitions;
  bool wall_clock = true;
  std::int32_t replication_factor = 1;  // of topics to be made; from 3 on, two of them have to have a record
  // The first record of every partition of ledger, deltas, signals: its value.
  std::function<std::string(Topic)> definition;
};

struct TopicsMade {
  std::vector<std::string> created;
  std::int32_t definitions_written = 0;
  std::vector<TopicFinding> findings;  // what was there before and differs; left as it is
};

// Makes what is missing; run twice, the second run makes nothing. A run that was cut short is completed by the next.
// Not to be run twice at once: both might write the definition.
[[nodiscard]] Result<TopicsMade> create_topics(const KafkaSettings& settings, const TopicPlan& plan);

// Nothing found: all is as it has to be.
[[nodiscard]] Result<std::vector<TopicFinding>> check_topics(const KafkaSettings& settings, const TopicPlan& plan);

// The topics that are there, and how many partitions they have.
[[nodiscard]] Result<std::map<Topic, std::int32_t>> topic_partitions(const KafkaSettings& settings);

}  // namespace fiverate
