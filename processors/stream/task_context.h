// A task with what it owns, and how it is made.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "processors/stream/task.h"

namespace fiverate {

struct TaskContext {
  std::unique_ptr<Store> store;
  std::unique_ptr<Operator> op;
  std::unique_ptr<Task> task;
  Committed group = {};                             // what the consumer group keeps for its input
  std::vector<MissingRange> missing_for_long = {};  // see SequenceGapMonitor
};
using Tasks = std::map<Input, TaskContext>;

// The name of the task that reads an input: "outlet/3", for a source topic "deliveries/0".
using TaskName = std::function<std::string(const Input&)>;
// The same on the command line, and as the name of a state's folder: "outlet-3".
inline std::string task_argument(std::string task) {
  std::ranges::replace(task, '/', '-');
  return task;
}
// Makes the task of an input: opens the store that is_usable() with this checkpoint, builds the operator. Does not restore it.
using MakeTask = std::function<Result<TaskContext>(const Input&, const std::optional<Checkpoint>&)>;

}  // namespace fiverate
