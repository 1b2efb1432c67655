// The tasks of a market as their groups and checkpoints show them: for `status` and `tasks`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/commands/context.h"
#include "processors/edge/kafka_offsets.h"
#include "processors/stages/topology.h"
#include "processors/stream/checkpoint.h"

namespace fiverate {

struct TaskPosition {
  Stage stage;
  Input input;
  std::string name;  // "outlet/3"
  GroupPosition position;
  CheckpointPointer pointer;
  std::optional<Checkpoint> checkpoint;  // the one that the group points to
};

// Of all tasks, in the order of the flow.
std::vector<TaskPosition> task_positions(const Context& context);

}  // namespace fiverate
