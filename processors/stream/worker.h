// The main loop: one thread that reads, folds and commits for the tasks that its consumer group assigns to it.
//
//   poll -> task.process, record by record -> commit if due, only at a boundary -> standby
//
// An error of a task ends round(); the supervisor (runtime/supervisor.h) reacts to it. A task whose state another process still has open
// (Reaction::wait) starts when that process closes it; the others do not wait for it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "processors/stream/ports.h"
#include "processors/stream/record_gate.h"
#include "processors/stream/report.h"
#include "processors/stream/standby.h"
#include "processors/stream/task_context.h"

namespace fiverate {

struct WorkerOptions {
  std::chrono::milliseconds poll_wait{100};
  // Bounds what a crash repeats.
  std::chrono::milliseconds commit_every{500};
  std::int64_t commit_records = 200'000;
  // A suppressed task changes the same keys again and again, and nobody waits for its commits: this alone bounds what is in memory.
  std::int64_t suppressed_commit_records = 5'000;
};

class Worker {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  struct Parts {
    Source& source;
    Sink& sink;  // that the tasks write to
    CheckpointReader& checkpoints;
    TaskName task_name;
    MakeTask make_task;
    Standby* standby = nullptr;
    Report report = ignore_report;
    Now now = std::chrono::steady_clock::now;
    RecordGate* gate = nullptr;
  };
  // All parts outlive the worker.
  Worker(Parts parts, WorkerOptions options);

  // One round of the loop. True if there was anything to do.
  [[nodiscard]] Result<bool> round();
  // Commits every task that is not suppressed: those at a boundary now, the others at their next one.
  [[nodiscard]] Result<void> commit_all();

  [[nodiscard]] Tasks& tasks() { return tasks_; }

 private:
  // Processes the record, or gives it to the gate.
  [[nodiscard]] Result<void> process(const InRecord& record);
  [[nodiscard]] Result<void> process_released(bool poll_is_done);
  Result<std::map<Input, std::int64_t>> on_assigned(const std::vector<Input>& inputs);
  void on_revoked(const std::vector<Input>& inputs);
  Result<TaskContext> start(const Input& input, const std::optional<Checkpoint>& checkpoint);
  void follow_others();
  Result<void> commit(const std::vector<TaskContext*>& tasks);
  [[nodiscard]] bool is_due(const Task& task) const;

  Parts parts_;
  WorkerOptions options_;
  Tasks tasks_;
  std::set<Input> waiting_;  // assigned to us, but another process has their states open
  std::vector<InRecord> records_;
  std::set<Input> overdue_;  // to be committed at the next boundary
  std::chrono::steady_clock::time_point last_commit_;
};

}  // namespace fiverate
