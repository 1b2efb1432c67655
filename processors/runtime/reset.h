// `fiverate tasks reset`: which checkpoint makes a task publish its outputs again from an offset of its input on.
//
//   new checkpoint = an earlier one of the task + reset epoch one higher + emit_from
//
// The task discards states of a lower epoch that are beyond it, replays up to emit_from without publishing, and publishes from there on what
// it had published before, identical. Receivers drop what they have.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "processors/stream/checkpoint.h"

namespace fiverate {

struct ResetRequest {
  std::string task;           // "outlet/3"
  std::string definition_id;
  Committed committed;        // of the task's group; offset 0 and no text if there is none
  std::vector<Checkpoint> checkpoints;            // of the task, all that its topic still holds
  std::map<Input, OffsetRange> result_partitions;  // present offsets of all partitions that the checkpoints name
  std::optional<std::int64_t> offset;             // publish again from here; nothing: from where results are missing
};

struct Reset {
  Checkpoint checkpoint;           // to be written to the topic and committed to the group
  std::int64_t emit_from = 0;      // outputs that are caused from here on are published again
  std::int64_t published_to = 0;   // up to here they had been published before
  std::vector<std::string> missing;  // a sentence for each result partition that lost acknowledged records
};

// Error: stop: the offset is beyond the task's, or nothing is missing and no offset was given.
[[nodiscard]] Result<Reset> plan_reset(const ResetRequest& request);

}  // namespace fiverate
