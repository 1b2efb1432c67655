// The tasks of a market as their groups and checkpoints show them: for `status` and `tasks`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/commands/context.h"
#include "processors/edge/kafka_offsets.h"
#include "processors/stages/topology.h"
#include "processors/stream/checkpoint.h"
#include "processors/stream/sequence_gap.h"

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

// A task that waits for missing records, as its group notes it (stream/sequence_gap.h).
struct WaitingTask {
  std::string name;
  std::vector<MissingRange> missing;
};
[[nodiscard]] Result<std::vector<WaitingTask>> waiting_tasks(const Context& context);
// "outlet/3 waits for missing records: those caused by deliveries/0 offsets 7 to 120"
std::string sentence(const WaitingTask& task);

}  // namespace fiverate
