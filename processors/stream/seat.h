// A task with what it owns, and how it is made.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "processors/stream/ports.h"
#include "processors/stream/task.h"

namespace fiverate {

struct Seat {
  std::unique_ptr<Store> store;
  std::unique_ptr<Operator> op;
  std::unique_ptr<Task> task;
  std::vector<Topic> result_topics = {};  // whose tails are read before it speaks (Task::read_tails)
  std::vector<Input> targets = {};        // of its outputs, those that others write to as well
  bool rebuilt = false;                   // its state is new, or that of a snapshot
  std::optional<std::int64_t> speak_from = std::nullopt;  // by order of a person, instead of where the group stands
  std::int64_t spoken_until = 0;                          // the order is carried out when it is there: what the group had committed
};

// Makes the task of an input: opens its store, builds its operator.
using MakeSeat = std::function<Result<Seat>(const Input&)>;

}  // namespace fiverate
