// Where a task stands in its input, and which records it has read to get there. A log that was truncated or created again holds other
// records before that offset: nothing may be computed from it.
#pragma once

#include <cstdint>
#include <string>

#include "processors/stream/ports.h"
#include "state.pb.h"

namespace fiverate {

class InputPosition {
 public:
  explicit InputPosition(Input input) : input_(input) {}

  [[nodiscard]] const Input& input() const { return input_; }
  [[nodiscard]] std::int64_t next_offset() const { return next_offset_; }
  void advance(const InRecord& record);

  // Whether `record`, which lies directly before next_offset(), is the one that was read there. Error: stop.
  [[nodiscard]] Result<void> verify_previous(const InRecord& record, const std::string& state_location) const;
  // Whether the task that wrote the checkpoint read the same records, once this one stands at its offset. Error: stop.
  [[nodiscard]] Result<void> verify(const Checkpoint& checkpoint) const;

  void load(const TaskState& state);
  void save(TaskState& state) const;
  void save(Checkpoint& checkpoint) const;

 private:
  Input input_;
  std::int64_t next_offset_ = 0;
  std::int64_t last_timestamp_ = 0;  // of the record before next_offset_
  std::uint64_t last_hash_ = 0;
  // Of all records read. Internal topics only: those have every offset and are never compacted.
  std::uint64_t read_chain_ = 0;
};

}  // namespace fiverate
