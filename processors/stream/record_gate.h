// Decides which records a worker may process now. A record that has to wait is kept by the gate, and the records of its partition behind
// it too.
#pragma once

#include <vector>

#include "processors/stream/task_context.h"

namespace fiverate {

class RecordGate {
 public:
  virtual ~RecordGate() = default;
  // False: the gate keeps the record.
  [[nodiscard]] virtual bool admit(const TaskContext& context, const InRecord& record) = 0;

  struct Changes {
    std::vector<Input> to_commit;    // their checkpoints have changed, and have to be acknowledged first
    std::vector<InRecord> released;  // to be admitted again after that, in this order
  };
  // After each poll, and after each record that has to wait. Error: retry.
  [[nodiscard]] virtual Result<Changes> round(const Tasks& tasks, bool poll_is_done) = 0;
  // The partition is not read here any more.
  virtual void forget(const Input& input) = 0;
};

}  // namespace fiverate
