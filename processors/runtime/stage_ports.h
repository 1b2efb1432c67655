// Everything a stage thread takes from outside: Kafka and RocksDB when live (edge), their simulated counterparts in tests/sim. Objects of
// the ports belong to the thread of one supervisor.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "processors/stream/checkpoint.h"
#include "processors/stream/operator.h"
#include "processors/stream/ports.h"
#include "processors/stream/standby.h"
#include "processors/stream/task_context.h"

namespace fiverate {

class StagePorts {
 public:
  virtual ~StagePorts() = default;
  virtual Result<std::unique_ptr<Sink>> open_sink() = 0;
  // As a member of the stage's consumer group.
  virtual Result<std::unique_ptr<Source>> open_source() = 0;
  // Of no group.
  virtual Result<std::unique_ptr<Source>> open_reader(const std::map<Input, std::int64_t>& from) = 0;
  virtual Result<std::unique_ptr<CheckpointReader>> open_checkpoints() = 0;
  // A state that is_usable() with this checkpoint, or an empty one. Not called for intake. Error: wait if another process has it open.
  virtual Result<std::unique_ptr<Store>> open_store(const Input& input,
                                                    const std::optional<Checkpoint>& checkpoint) = 0;
  virtual std::unique_ptr<Operator> make_operator(const Input& input) = 0;
};

// Is informed of what the supervisor does, for health checks.
class StageObserver {
 public:
  virtual ~StageObserver() = default;
  virtual void on_start_task() {}
  // After each round.
  virtual void on_round(const Source& /*source*/, const Tasks& /*tasks*/, const Standby* /*standby*/) {}
  // After each round of intake: why it is paused and no day closes; empty: it is not.
  virtual void on_pause(const std::string& /*reason*/) {}
  // An error ended the stage's work; it starts again from its states.
  virtual void on_restart(const Error& /*error*/) {}
};

}  // namespace fiverate
