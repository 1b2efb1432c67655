// The committed offsets and the lag of consumer groups, read without joining them, so no rebalance follows.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "processors/edge/kafka_client.h"
#include "processors/stream/ports.h"

namespace fiverate {

struct GroupPosition {
  Committed committed;   // offset -1: the group has committed nothing for this partition
  std::int64_t end = 0;  // log end offset of the partition
  [[nodiscard]] std::int64_t lag() const { return end - std::max<std::int64_t>(committed.offset, 0); }
};

// Error: retry or stop, see kafka_error.
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
