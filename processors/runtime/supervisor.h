// Keeps one stage thread at work: opens its consumer, producer and worker, runs rounds, and reacts to errors.
//
//   wait              reacted to by the worker: the one task is tried again, the others continue
//   retry, drop_task  consumer, producer and tasks are thrown away; after kRestartAfter they are opened again from the states
//   stop              round() returns the error: a person has to act
//
// The same code runs live (cli/live) and in the simulation (tests/sim).
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "processors/runtime/progress_reporter.h"
#include "processors/runtime/sequence_gap_monitor.h"
#include "processors/runtime/stage_ports.h"
#include "processors/stages/topology.h"
#include "processors/stream/report.h"
#include "processors/stream/standby.h"
#include "processors/stream/worker.h"

namespace fiverate {

struct StageSettings {
  Stage stage = Stage::intake;  // intake includes reference
  Definition definition;
  int standby_copies = 0;  // tasks of other processes that are kept warm here
  WorkerOptions worker;
  std::function<Millis()> wall_clock = {};  // of the marks that intake writes in a live market
  std::chrono::milliseconds report_held_after = ProgressReporter::kHeldFor;
};

class Supervisor {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;
  static constexpr std::chrono::seconds kRestartAfter{1};

  // Ports and observer outlive the supervisor.
  Supervisor(StageSettings settings, StagePorts& ports, StageObserver& observer, Report report,
             Now now = std::chrono::steady_clock::now);
  ~Supervisor();

  // One round of the worker, or a part of the pause after an error. True if there was anything to do.
  [[nodiscard]] Result<bool> round();
  // False: between an error and the restart.
  [[nodiscard]] bool is_running() const { return run_ != nullptr; }
  // Commits all tasks that are at a boundary; reacts to errors like round().
  [[nodiscard]] Result<void> commit_all();

  // Of the present run; empty without one.
  [[nodiscard]] const Tasks& tasks() const;

 private:
  struct Run;
  [[nodiscard]] Result<bool> work();
  [[nodiscard]] Result<void> start();
  [[nodiscard]] Result<TaskContext> make_task(const Input& input, const std::optional<Checkpoint>& checkpoint,
                                              Sink& sink);
  [[nodiscard]] Result<void> react(const Error& error);

  StageSettings settings_;
  StagePorts& ports_;
  StageObserver& observer_;
  Report report_;
  Now now_;
  std::unique_ptr<Run> run_;
  std::chrono::steady_clock::time_point start_at_{};
};

}  // namespace fiverate
