#include "processors/runtime/supervisor.h"

#include <optional>
#include <utility>

#include "processors/runtime/foreign_record_monitor.h"
#include "processors/runtime/growth_watch.h"
#include "processors/runtime/jump_holds.h"
#include "processors/stages/task_names.h"
#include "processors/stream/failpoint.h"
#include "processors/stream/memory_store.h"

namespace fiverate {

// Between two errors. Destroyed in reverse: the tasks before the producer that they write to.
struct Supervisor::Run {
  std::unique_ptr<Sink> sink = {};
  std::unique_ptr<Source> source = {};
  std::unique_ptr<CheckpointReader> checkpoints = {};
  SequenceGapMonitor sequence_gaps;
  ForeignRecordMonitor foreign_records;
  std::optional<ProgressReporter> progress = {};  // intake only
  std::optional<GrowthWatch> growth = {};         // intake only
  std::optional<Standby> standby = {};
  std::optional<JumpHolds> jump_holds = {};  // intake only
  std::optional<Worker> worker = {};
};

Supervisor::Supervisor(StageSettings settings, StagePorts& ports, StageObserver& observer, Report report, Now now)
    : settings_(std::move(settings)),
      ports_(ports),
      observer_(observer),
      report_(std::move(report)),
      now_(std::move(now)) {}

Supervisor::~Supervisor() = default;

Result<bool> Supervisor::round() {
  const auto worked = run_ || now_() >= start_at_ ? work() : false;
  if (worked) return *worked;
  TRY(react(worked.error()));
  return false;
}

Result<bool> Supervisor::work() {
  if (!run_) TRY(start());
  auto& tasks = run_->worker->tasks();
  if (run_->growth) run_->growth->pause(tasks);
  TRY_VALUE(worked, run_->worker->round());
  run_->sequence_gaps.check(tasks, now_());
  run_->foreign_records.check(tasks, now_());
  observer_.on_round(*run_->source, tasks, run_->standby ? &*run_->standby : nullptr);
  if (run_->progress) {
    const bool may_report = run_->growth->may_report(tasks);
    observer_.on_pause(run_->growth->reason());
    if (may_report) TRY(run_->progress->report(tasks));
  }
  return worked;
}

Result<void> Supervisor::commit_all() {
  if (!run_) return {};
  const auto committed = run_->worker->commit_all();
  return committed ? committed : react(committed.error());
}

// The one place that reacts to errors of a stage.
Result<void> Supervisor::react(const Error& error) {
  if (error.reaction == Reaction::stop) return tl::make_unexpected(error);
  report_(Severity::warning,
          fmt::format("{}: {} Starting again from the state.", name_of(settings_.stage), error.what));
  observer_.on_restart(error);
  run_.reset();
  start_at_ = now_() + kRestartAfter;
  return {};
}

Result<void> Supervisor::start() {
  auto run = std::make_unique<Run>(
      Run{.sequence_gaps = SequenceGapMonitor(report_), .foreign_records = ForeignRecordMonitor(report_)});
  TRY_VALUE(sink, ports_.open_sink());
  run->sink = std::move(sink);
  TRY_VALUE(source, ports_.open_source());
  run->source = std::move(source);
  TRY_VALUE(checkpoints, ports_.open_checkpoints());
  run->checkpoints = std::move(checkpoints);
  const bool is_intake = settings_.stage == Stage::intake;
  if (is_intake) {
    run->progress.emplace(settings_.definition, *run->sink, settings_.wall_clock, now_, settings_.report_held_after);
    run->growth.emplace(GrowthWatch::Parts{settings_.definition, *run->source, report_, now_});
  }
  const auto make = [this, &sink = *run->sink](const Input& input, const std::optional<Checkpoint>& checkpoint) {
    return make_task(input, checkpoint, sink);
  };
  if (settings_.standby_copies > 0) {
    // Intake keeps its state in its checkpoints: there is nothing to keep warm.
    const auto eligible = inputs_of(is_intake ? Stage::reference : settings_.stage, settings_.definition);
    const auto open_reader = [this](const auto& from) { return ports_.open_reader(from); };
    run->standby.emplace(Standby::Parts{open_reader, *run->checkpoints, task_name_of, make, eligible, report_, now_},
                         settings_.standby_copies, settings_.worker.commit_every);
  }
  if (is_intake) {
    const auto time_text = [calendar = MarketCalendar(settings_.definition.timezone())](Millis time) {
      return calendar.format(time);
    };
    run->jump_holds.emplace(JumpHolds::Parts{source_inputs(settings_.definition), *run->source, *run->checkpoints,
                                             task_name_of, time_text, report_, now_});
  }
  run->worker.emplace(Worker::Parts{*run->source, *run->sink, *run->checkpoints, task_name_of, make,
                                    run->standby ? &*run->standby : nullptr, report_, now_,
                                    run->jump_holds ? &*run->jump_holds : nullptr},
                      settings_.worker);
  run_ = std::move(run);
  return {};
}

Result<TaskContext> Supervisor::make_task(const Input& input, const std::optional<Checkpoint>& checkpoint, Sink& sink) {
  failpoint("task.assigned");
  observer_.on_start_task();
  TaskContext context;
  if (stage_reading(input.topic) == Stage::intake) {
    context.store = std::make_unique<CheckpointStore>(checkpoint);
  } else {
    TRY_VALUE(store, ports_.open_store(input, checkpoint));
    context.store = std::move(store);
  }
  context.op = ports_.make_operator(input);
  context.task = std::make_unique<Task>(std::string(sender_of(input)), input, definition_id(settings_.definition),
                                        *context.op, *context.store, sink);
  return context;
}

const Tasks& Supervisor::tasks() const {
  static const Tasks kNone;
  return run_ ? run_->worker->tasks() : kNone;
}

}  // namespace fiverate
