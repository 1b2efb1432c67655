// The names of tasks: "outlet/3" in causes, states and checkpoints, "outlet-3" on the command line and as the folder of a state. What
// intake sends is caused by a source position, so its tasks have the names of source topics: "deliveries/0".
#pragma once

#include <string>
#include <string_view>

#include "processors/stages/topology.h"
#include "processors/stream/task_context.h"
#include "schemas/cause.h"

namespace fiverate {

inline std::string_view sender_of(const Input& input) {
  const auto stage = stage_reading(input.topic);
  return stage == Stage::intake ? name_of(input.topic) : name_of(stage);
}

inline std::string task_name_of(const Input& input) {
  return sender_name(sender_of(input), input.partition);
}

inline std::string task_argument_of(const Input& input) {
  return task_argument(task_name_of(input));
}

}  // namespace fiverate
