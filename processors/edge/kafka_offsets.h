// Offsets of partitions and of consumer groups, requested from the brokers. A group is read and changed without joining it, so no
// rebalance follows. Errors of all functions: retry or stop, see KafkaClient::failed.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "processors/edge/kafka_client.h"

namespace fiverate {

// The first offset of a partition and its log end offset. Error: stop if there is no such partition.
[[nodiscard]] Result<OffsetRange> query_offset_range(KafkaClient& client, const Input& input);

// Error (stop): a position is not in the log.
Error outside_log(const std::string& partition, std::int64_t offset, const OffsetRange& range);

// What the client's group has committed; inputs without a commit are left out.
[[nodiscard]] Result<std::map<Input, Committed>> query_committed(const KafkaClient& client,
                                                                 const std::vector<Input>& inputs,
                                                                 std::chrono::milliseconds within = kKafkaAnswerWithin);

// A list for librdkafka, with offsets and metadata.
KafkaPartitions partition_list(const KafkaSettings& settings, const std::map<Input, Committed>& positions);

struct GroupPosition {
  Committed committed;   // offset -1: the group has committed nothing for this partition
  std::int64_t end = 0;  // log end offset of the partition
  [[nodiscard]] std::int64_t lag() const { return end - std::max<std::int64_t>(committed.offset, 0); }
};

// The offsets that the group has committed; the others are -1. Error: retry or stop, see kafka_error().
[[nodiscard]] Result<std::map<Input, Committed>> group_commits(const KafkaSettings& settings, const std::string& group,
                                                               const std::vector<Input>& inputs);
// The same, with the log end offsets: a request more for each partition.
[[nodiscard]] Result<std::map<Input, GroupPosition>> group_positions(const KafkaSettings& settings,
                                                                     const std::string& group,
                                                                     const std::vector<Input>& inputs);

// Members of a group, by their client host; empty: the group has none, or is unknown.
[[nodiscard]] Result<std::vector<std::string>> group_members(const KafkaSettings& settings, const std::string& group);

// Sets a position of a group without members. Error: stop: it has some.
[[nodiscard]] Result<void> set_group_position(const KafkaSettings& settings, const std::string& group,
                                              const Input& input, const Committed& position);

}  // namespace fiverate
