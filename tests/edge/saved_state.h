// The state of a task as the tests of states and snapshots store it.
#pragma once

#include <cstdint>
#include <string>

#include "processors/stream/task.h"
#include "schemas/format.h"
#include "state.pb.h"

namespace fiverate::test {

inline const std::string kSavedTask = "outlet-3";  // the name of its folder

inline TaskState saved_state_at(std::int64_t offset, const std::string& definition = "d1") {
  TaskState state;
  state.set_task("outlet/3");
  state.set_definition_id(definition);
  state.set_next_offset(offset);
  state.mutable_outputs();
  return state;
}

}  // namespace fiverate::test
