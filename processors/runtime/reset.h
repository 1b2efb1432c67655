// Plans `fiverate tasks reset`: makes the checkpoint with which a task publishes its outputs again from an offset of its input on.
//
//   new checkpoint = an earlier one of the task + reset epoch one higher + emit_from
//
// The task discards its states of a lower epoch that are beyond the checkpoint, replays up to emit_from without publishing, and publishes
// the same outputs again from there on. Receivers drop the outputs that they have applied already.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "processors/stream/checkpoint.h"

namespace fiverate {

struct ResetRequest {
  std::string task;  // "outlet/3"
  std::string definition_id;
  Committed committed;                             // of the task's group; offset 0 and no text if there is none
  std::vector<Checkpoint> checkpoints;             // all of the task that are in the topic
  std::map<Input, OffsetRange> result_partitions;  // present offsets of all partitions that the checkpoints name
  std::optional<std::int64_t> offset;              // publish again from here; nothing: from where results are missing
};

struct Reset {
  Checkpoint checkpoint;             // to be written to the topic and committed to the group
  std::int64_t emit_from = 0;        // outputs that are caused from here on are published again
  std::int64_t published_to = 0;     // up to here the outputs had been published before
  std::vector<std::string> missing;  // a sentence for each result partition that lost acknowledged records
};

// Error: stop: the offset is beyond the task's, or nothing is missing and no offset was given.
[[nodiscard]] Result<Reset> plan_reset(const ResetRequest& request);

}  // namespace fiverate
