// With a checkpoint and the log, another process can continue a task at an offset of its input (message Checkpoint of
// schemas/proto/state.proto). Each commit writes one to the compacted topic `checkpoints`, key: the task's name.
//
//   group's offset, with a CheckpointPointer as metadata ----> one record of `checkpoints`
//
// The group fences the pointer: a process that the group has expelled cannot commit it. Every checkpoint of the highest reset epoch is
// valid, also one of an expelled process: it is a function of the input alone, and its outputs were acknowledged before it was sent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "processors/stream/ports.h"
#include "state.pb.h"

namespace fiverate {

inline constexpr Input kCheckpointsPartition{Topic::checkpoints, 0};

// The metadata that the group keeps with a task's offset, as text: "epoch=2 checkpoint=1234".
struct CheckpointPointer {
  std::int64_t reset_epoch = 0;  // how often `tasks reset` was applied to the task
  std::int64_t offset = -1;      // of the checkpoint in its topic; -1: unknown, the whole topic has to be searched
  friend bool operator==(const CheckpointPointer&, const CheckpointPointer&) = default;
};
std::string to_text(const CheckpointPointer& pointer);
// Returns the default pointer for any other text.
CheckpointPointer parse_checkpoint_pointer(std::string_view text);

// The record of a checkpoint in its topic.
OutRecord checkpoint_record(const Checkpoint& checkpoint, Millis timestamp);
// Nothing: neither a task nor `tasks reset` wrote the record. Its key, its cause and its value have to fit.
std::optional<Checkpoint> parse_checkpoint(const InRecord& record);

// Of two checkpoints of a task: whether the first one replaces the second.
bool is_newer(const Checkpoint& one, const Checkpoint& other);

// Reads the topic `checkpoints`.
class CheckpointReader {
 public:
  virtual ~CheckpointReader() = default;
  // The checkpoint that each task's pointer names. If compaction has removed it, a newer one of the task follows in the topic and is
  // returned. If the pointer is unknown or beyond the log end offset, the newest in the topic is returned. Tasks without one are left out.
  [[nodiscard]] virtual Result<std::map<std::string, Checkpoint>> find(
      const std::map<std::string, CheckpointPointer>& tasks) = 0;
};

}  // namespace fiverate
