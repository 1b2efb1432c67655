// The commit of tasks of one thread, all of them together: with many partitions each step would cost a round trip for each.
//
//   outputs acknowledged -> states written -> checkpoints acknowledged -> offsets and pointers to the checkpoints in the group
#pragma once

#include <vector>

#include "processors/stream/task_context.h"

namespace fiverate {

// All tasks are at a boundary. Suppressed tasks only write their states: the group's checkpoint is further ahead.
[[nodiscard]] Result<void> commit(const std::vector<TaskContext*>& tasks, Sink& sink, Source& group);

// Notes in the group which sequence gaps stand, at the offsets that it has: a task that waits may be between boundaries for long.
[[nodiscard]] Result<void> note_missing(Tasks& tasks, Source& group);

}  // namespace fiverate
