#include "tests/sim/sim_cluster.h"

#include <algorithm>

#include "processors/runtime/reset.h"
#include "processors/stages/task_names.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/format.h"
#include "tests/support/events.h"
#include "tests/support/rig.h"

namespace fiverate::test {
namespace {

constexpr std::array<Stage, 4> kThreads{Stage::intake, Stage::outlet, Stage::market, Stage::desk};

// All inputs that the group of a thread assigns.
std::vector<Input> inputs_of_group(Stage stage, const Definition& definition) {
  return stage == Stage::intake ? source_inputs(definition) : inputs_of(stage, definition);
}

// Records that conflict, of one document or with one event id, come through one partition, also when the topic has got more.
class PartitionsOfDocuments {
 public:
  std::int32_t partition(const SourceRecord& record, std::int32_t requested) {
    Event event;
    if (decode(record.value, event) || !is_document(event.payload_case())) return requested;
    const auto document = fmt::format("{}/{}", name_of(record.topic), document_id_of(event));
    const auto known = documents_.find(document);
    const auto partition =
        known != documents_.end() ? known->second : events_.try_emplace(event.event_id(), requested).first->second;
    documents_.try_emplace(document, partition);
    events_.try_emplace(event.event_id(), partition);
    return partition;
  }

 private:
  std::map<std::string, std::int32_t> documents_;
  std::map<std::string, std::int32_t> events_;
};

std::size_t thread_of(const Input& input) {
  const auto stage = stage_reading(input.topic);
  return static_cast<std::size_t>(std::ranges::find(kThreads, stage == Stage::reference ? Stage::intake : stage) -
                                  kThreads.begin());
}

}  // namespace

struct SimCluster::Process {
  // One stage thread.
  struct Thread {
    std::unique_ptr<SimStagePorts> ports;
    StageObserver observer;
    std::unique_ptr<Supervisor> supervisor;
    struct Tally {
      const Task* task = nullptr;
      TaskCounters counters;
    };
    std::map<Input, Tally> tallies;
  };
  std::string name;
  SimDisk* disk = nullptr;
  bool dead = false;    // killed within a call; nothing it does has an effect any more
  bool frozen = false;  // SIGSTOP, a long pause, a machine that swaps
  bool up = true;
  int down_for = 0;
  std::array<Thread, kStages> threads;
};

SimCluster::SimCluster(const ClusterPlan& plan, const std::vector<SourceRecord>& history, Millis end, Weather& weather,
                       Saboteur* saboteur, std::vector<OutRecord> import)
    : plan_(plan),
      definition_(make_definition("Asia/Shanghai", plan.partitions, {}, plan.selection)),
      weather_(weather),
      chance_(weather.chance()),
      saboteur_(saboteur),
      disks_(static_cast<std::size_t>(plan.disks)) {
  for (const auto topic : kInternalTopics) {
    for (std::int32_t partition = 0; partition < plan_.partitions.of(topic); ++partition) {
      log_.append({topic, partition, 0, "", definition_record(topic, definition_), std::nullopt, std::nullopt});
    }
  }
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    groups_[stage] = std::make_unique<SimGroup>(inputs_of_group(kThreads[stage], definition_));
  }
  for (int i = 0; i < plan_.processes; ++i) {
    auto& process = *processes_.emplace_back(std::make_unique<Process>());
    process.name = fmt::format("process-{}", i);
    process.disk = &disks_[static_cast<std::size_t>(i % plan_.disks)];
  }
  if (plan_.time_known_early) {
    mark_sources((import.empty() ? history.front().arrival : import.front().timestamp) - 1);
    weather_.calm();
    static_cast<void>(calm());
  }
  if (import.empty()) {
    lay_out(history);
  } else {
    to_arrive_ = std::move(import);
  }
  end_sources(end);
  if (plan_.stranger) stranger_.emplace(*plan_.stranger);
  if (plan_.backlog) arrive(static_cast<std::int64_t>(to_arrive_.size()));
}

SimCluster::~SimCluster() {
  for (auto& process : processes_) {
    process->dead = true;  // its destructors send nothing any more
    for (auto& thread : process->threads) thread.supervisor.reset();
  }
}

void SimCluster::mark_sources(Millis complete_through) {
  const auto value = mark(complete_through).SerializeAsString();
  for (const auto& input : source_inputs(definition_)) {
    log_.append({input.topic, input.partition, complete_through, "", value, std::nullopt, std::nullopt});
  }
}

// Marks come between any two records, not only at midnights.
void SimCluster::lay_out(const std::vector<SourceRecord>& history) {
  const auto salt = std::to_string(chance_.below(1000));
  const auto grown = plan_.grows_to > 0 ? extended(definition_, plan_.grows_to) : definition_;
  const auto grows_before = plan_.grows_to > 0 ? chance_.below(static_cast<std::int64_t>(history.size())) : -1;
  const auto marks = [&](Millis complete_through) {
    const auto value = mark(complete_through).SerializeAsString();
    for (const auto& input : source_inputs(grows_at_ ? grown : definition_)) {
      to_arrive_.push_back({input.topic, input.partition, complete_through, "", value, std::nullopt, std::nullopt});
    }
  };
  PartitionsOfDocuments of_earlier_conflicts;
  Millis marked = 0;
  for (const auto& record : history) {
    if (&record - history.data() == grows_before) grows_at_ = to_arrive_.size();
    if (chance_.percent(10) && record.arrival - 1 > marked) marks(marked = record.arrival - 1);
    const auto counts = grows_at_ ? partition_counts(grown) : plan_.partitions;
    auto partition = partition_of(record.key + salt, counts.of(record.topic));
    if (plan_.grows_to > 0) partition = of_earlier_conflicts.partition(record, partition);
    to_arrive_.push_back(
        {record.topic, partition, record.arrival, record.key, record.value, std::nullopt, std::nullopt});
  }
}

void SimCluster::end_sources(Millis end) {
  if (plan_.far_time) {
    const auto far = end + 400 * kDayMs;
    const auto input = chance_.pick(source_inputs(definition_));
    const auto at = chance_.below(static_cast<std::int64_t>(to_arrive_.size()) + 1);
    to_arrive_.insert(to_arrive_.begin() + at, {input.topic, input.partition, far, "", mark(far).SerializeAsString(),
                                                std::nullopt, std::nullopt});
    if (grows_at_ && at <= static_cast<std::int64_t>(*grows_at_)) ++*grows_at_;
    weather_.count(Fault::far_time);
  }
  const auto value = mark(end).SerializeAsString();
  for (const auto& input : source_inputs(grows_at_ ? extended(definition_, plan_.grows_to) : definition_)) {
    to_arrive_.push_back({input.topic, input.partition, end, "", value, std::nullopt, std::nullopt});
  }
}

void SimCluster::arrive(std::int64_t count) {
  for (; count > 0 && arrived_ < to_arrive_.size(); --count) {
    if (arrived_ == grows_at_) {
      weather_.count(Fault::growth);
      for (const auto topic : kDocumentTopics) groups_[0]->partition_counts[topic] = plan_.grows_to;
    }
    log_.append(std::move(to_arrive_[arrived_++]));
  }
}

void SimCluster::extend(bool interrupted) {
  if (extended_ || groups_[0]->partition_counts.empty()) return;
  for (auto& process : processes_) {
    if (process->up) chance_.percent(50) ? stop_orderly(*process) : kill(*process);
  }
  const auto extension = extended(definition_, plan_.grows_to);
  const auto value = definition_record(Topic::ledger, extension);
  const auto least = interrupted ? chance_.below(plan_.partitions.ledger) : 0;
  for (auto partition = plan_.partitions.ledger; partition-- > least;) {
    const Input ledger{Topic::ledger, partition};
    std::vector<InRecord> records;
    log_.read(ledger, 0, static_cast<std::size_t>(log_.end_offset(ledger)), records);
    if (std::ranges::any_of(records, [&](const auto& record) { return record.value == value; })) continue;
    log_.append({ledger.topic, partition, definition_time(extension), "", value, std::nullopt, std::nullopt});
  }
  if (least > 0) return;  // the definition is taken from partition 0
  extended_ = true;
  definition_ = extension;
  groups_[0]->extend(inputs_of_group(Stage::intake, definition_));
}

// ---- a stage thread -------------------------------------------------------------------------------------------------

void SimCluster::start_thread(Process& process, std::size_t stage) {
  auto& thread = process.threads[stage];
  thread.ports = std::make_unique<SimStagePorts>(
      SimStagePorts::World{log_, *groups_[stage], late_, saboteur_, weather_, incarnations_},
      fmt::format("{}-{}", process.name, stage), *process.disk, process.dead, [this, &process](const Input& input) {
        note_owner(process, input);
        auto op = fiverate::test::make_operator(input, definition_, plan_.live_rows);
        const bool again = !started_.insert(input).second;
        return saboteur_ != nullptr ? saboteur_->wrap(std::move(op), again) : std::move(op);
      });
  const auto commit_records = 1 + chance_.below(chance_.percent(50) ? 20 : 400);
  StageSettings settings{
      kThreads[stage], definition_, plan_.standby,
      WorkerOptions{std::chrono::milliseconds{0}, std::chrono::milliseconds{500}, commit_records, commit_records}};
  settings.report_held_after = {};  // also what is decided soon: more alerts
  thread.supervisor = std::make_unique<Supervisor>(std::move(settings), *thread.ports, thread.observer, ignore_report,
                                                   [this] { return now_; });
}

void SimCluster::work(Process& process, std::size_t stage) {
  now_ += std::chrono::milliseconds{weather_.is_calm() ? 20 : chance_.below(120)};
  auto& thread = process.threads[stage];
  if (!thread.supervisor) start_thread(process, stage);
  const auto worked = thread.supervisor->round();
  if (!process.dead) count_tasks(process, stage);
  react(process, stage, worked ? Result<void>{} : tl::make_unexpected(worked.error()));
}

// As in run_live, an error that needs a person ends the process. After a full disk, space is freed.
void SimCluster::react(Process& process, std::size_t /*stage*/, const Result<void>& ended) {
  if (process.dead) return kill(process);
  if (ended) return;
  if (!process.disk->full) stopped_ = ended.error();
  kill(process);
}

// After each round, since a task takes its counters with it.
void SimCluster::count_tasks(Process& process, std::size_t stage) {
  auto& thread = process.threads[stage];
  if (!thread.supervisor) return;
  for (const auto& [input, context] : thread.supervisor->tasks()) {
    const auto& counters = context.task->counters();
    auto& known = thread.tallies[input];
    if (known.task != context.task.get() || known.counters.records > counters.records) known = {context.task.get(), {}};
    sequence_gaps_ += counters.sequence_gaps - known.counters.sequence_gaps;
    repetitions_ += counters.repetitions - known.counters.repetitions;
    known.counters = counters;
  }
}

void SimCluster::end_run(Process& process, std::size_t stage) {
  count_tasks(process, stage);
  auto& thread = process.threads[stage];
  thread.supervisor.reset();
  thread.tallies.clear();
}

void SimCluster::kill(Process& process) {
  process.dead = true;
  for (std::size_t stage = 0; stage < kStages; ++stage) end_run(process, stage);
  process.dead = process.frozen = process.up = false;
  process.down_for = static_cast<int>(chance_.below(chance_.percent(30) ? 60 : 8));
}

// As after SIGTERM.
void SimCluster::stop_orderly(Process& process) {
  for (std::size_t stage = 0; stage < kStages && !process.dead; ++stage) {
    if (process.threads[stage].supervisor) static_cast<void>(process.threads[stage].supervisor->commit_all());
  }
  kill(process);
}

void SimCluster::note_owner(Process& process, const Input& input) {
  auto& owner = owners_[input];
  if (owner != nullptr && owner != &process) {
    weather_.count(Fault::move);
    const auto& thread = owner->threads[thread_of(input)];
    if (thread.supervisor && thread.supervisor->tasks().contains(input)) weather_.count(Fault::two_at_once);
  }
  owner = &process;
}

// ---- the storm ------------------------------------------------------------------------------------------------------

SimCluster::Process* SimCluster::any_process(bool up) {
  std::vector<Process*> found;
  for (auto& process : processes_) {
    if (process->up == up) found.push_back(process.get());
  }
  return found.empty() ? nullptr : chance_.pick(found);
}

void SimCluster::storm() {
  weather_.begin(plan_.severity);
  const auto each = static_cast<std::int64_t>(to_arrive_.size()) * 16 / plan_.steps + 1;
  const auto truncated_at = plan_.truncates ? chance_.between(plan_.steps / 4, plan_.steps - 1) : -1;
  for (int step = 0; step < plan_.steps; ++step) {
    if (stopped_ && !operator_helps()) return;
    if (plan_.grows_to > 0 && chance_.one_in(plan_.steps / 4)) extend(chance_.percent(50));
    if (step == truncated_at) truncate();
    if (stranger_) stranger_->pass_by(log_, weather_);
    for (auto& process : processes_) {
      if (!process->up && --process->down_for < 0) process->up = true;
    }
    const auto dice = chance_.below(1000);
    auto* process = any_process(true);
    if (process == nullptr) continue;
    const auto stage = static_cast<std::size_t>(chance_.below(kStages));
    auto& thread = process->threads[stage];
    if (dice < 730) {
      if (!process->frozen) work(*process, stage);
    } else if (dice < 810) {
      if (thread.supervisor && thread.supervisor->is_running()) thread.ports->sink()->deliver_some();
    } else if (dice < 880) {
      if (thread.supervisor && !process->frozen) react(*process, stage, thread.supervisor->commit_all());
    } else if (dice < 955) {
      arrive(1 + chance_.below(2 * each));
    } else if (dice < 970) {
      late_request();
    } else {
      misfortune();
    }
  }
  if (stopped_) static_cast<void>(operator_helps());
}

void SimCluster::late_request() {
  if (late_.empty()) return;
  const auto at = static_cast<std::size_t>(chance_.below(static_cast<std::int64_t>(late_.size())));
  log_.append(std::move(late_[at].front()));
  weather_.count(Fault::late_request);
  late_[at].pop_front();
  if (late_[at].empty()) late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(at));
}

// Faults of a process, a disk or a group, not of one call.
void SimCluster::misfortune() {
  auto& process = *any_process(true);
  auto& disk = disks_[static_cast<std::size_t>(chance_.below(plan_.disks))];
  auto& group = *groups_[static_cast<std::size_t>(chance_.below(kStages))];
  const auto dice = chance_.below(100);
  if (dice < 14) {
    weather_.count(Fault::crash);
    kill(process);
  } else if (dice < 20) {
    stop_orderly(process);
  } else if (dice < 36) {
    process.frozen = !process.frozen;
  } else if (dice < 66) {  // a session times out
    if (group.members().empty()) return;
    auto member = group.members().begin();
    std::advance(member, chance_.below(static_cast<std::int64_t>(group.members().size())));
    weather_.count(Fault::rebalance);
    group.expel(std::string(member->first));
  } else if (dice < 72) {
    disk.full = !disk.full;
    if (disk.full) weather_.count(Fault::disk_full);
  } else if (dice < 77) {
    power_loss(disk);
  } else if (dice < 93) {  // a folder is lost, copied, or a copy is put in its place
    if (disk.folders.empty()) return;
    auto folder = disk.folders.begin();
    std::advance(folder, chance_.below(static_cast<std::int64_t>(disk.folders.size())));
    auto& state = folder->second;
    if (!state.copy && chance_.percent(60)) {
      state.copy = *state.content;
      return;
    }
    for (auto& one : processes_) {
      if (state.locked && one->disk == &disk && one->up) kill(*one);
    }
    const bool lost = !state.copy || chance_.percent(30);
    weather_.count(lost ? Fault::state_lost : Fault::old_copy);
    state.become(lost ? SimFolder::Content{} : *state.copy);
  } else {
    if (group.offsets.empty()) return;
    auto offset = group.offsets.begin();
    std::advance(offset, chance_.below(static_cast<std::int64_t>(group.offsets.size())));
    weather_.count(Fault::offsets_lost);
    group.offsets.erase(offset);
  }
}

// Each store loses the last batches of its log, a random number of them, which the machine had not yet written to disk.
void SimCluster::power_loss(SimDisk& disk) {
  for (auto& process : processes_) {
    if (process->disk == &disk && process->up) kill(*process);
  }
  weather_.count(Fault::power_loss);
  for (auto& [name, folder] : disk.folders) {
    folder.lose_last_batches(static_cast<std::size_t>(chance_.below(SimFolder::kBatchesKept)));
  }
}

// An out-of-sync broker becomes the leader: one partition loses its last records, although they were acknowledged.
void SimCluster::truncate() {
  std::vector<Topic> topics{Topic::metrics,    Topic::metrics_final, Topic::alerts,     Topic::alert_log,
                            Topic::quarantine, Topic::seals,         Topic::checkpoints};
  topics.insert(topics.end(), kInternalTopics.begin(), kInternalTopics.end());
  std::vector<Input> long_enough;
  for (const auto& [input, records] : log_.partitions()) {
    if (records.size() >= 3 && std::ranges::find(topics, input.topic) != topics.end()) long_enough.push_back(input);
  }
  if (long_enough.empty()) return;
  const auto input = chance_.pick(long_enough);
  const auto end = log_.end_offset(input);
  const auto new_end = std::max<std::int64_t>(1, end - chance_.between(1, 25));
  weather_.count(Fault::truncation);
  truncation_ = Truncation{input, new_end, log_.truncate(input, new_end), {}, 0};
}

bool SimCluster::notes_what_is_missing() {
  now_ += SequenceGapMonitor::kStandsAfter;
  if (stopped_ || !calm()) return true;
  bool right = true;
  for (auto& process : processes_) {
    for (std::size_t stage = 0; stage < kStages; ++stage) {
      const auto& thread = process->threads[stage];
      if (!thread.supervisor) continue;
      for (const auto& [input, context] : thread.supervisor->tasks())
        right &= parse_missing_note(groups_[stage]->offsets[input].metadata) == context.task->missing();
    }
  }
  return right;
}

bool SimCluster::counts_foreign_records() const {
  for (const auto& process : processes_) {
    for (const auto& thread : process->threads) {
      if (!thread.supervisor) continue;
      for (const auto& [input, context] : thread.supervisor->tasks()) {
        if (context.task->foreign().count() != (stranger_ ? stranger_->written(input) : 0)) return false;
      }
    }
  }
  return true;
}

bool SimCluster::lost_a_result() const {
  return !is_internal(truncation_->input.topic);
}

std::map<std::string, CheckpointPointer> SimCluster::pointers() const {
  std::map<std::string, CheckpointPointer> found;
  for (const auto& group : groups_) {
    for (const auto& input : group->inputs()) {
      const auto committed = group->offsets.find(input);
      found[task_name_of(input)] = committed == group->offsets.end()
                                       ? CheckpointPointer{}
                                       : parse_checkpoint_pointer(committed->second.metadata);
    }
  }
  return found;
}

bool SimCluster::has_to_notice() const {
  for (const auto& [task, checkpoint] : find_checkpoints(log_, pointers())) {
    for (const auto& result : checkpoint.results()) {
      if (result.end() > log_.end_offset({static_cast<Topic>(result.topic()), result.partition()})) return true;
    }
  }
  return false;
}

// The operator reads why a process stopped. If the message names a command, the operator runs it, which publishes lost results again;
// otherwise the operator starts the processes once more. After the loss of records that tasks read, the processes remain stopped.
bool SimCluster::operator_helps() {
  constexpr int kRestartsMax = 40;  // under further faults it may take some
  if (!truncation_ || !lost_a_result() || ++truncation_->restarts > kRestartsMax) return false;
  const auto what = std::exchange(stopped_, std::nullopt)->what;
  restart_all();
  if (what.find(kMendCommand) != std::string::npos) {
    reset_missing();
    return true;
  }
  return what.find("has lost acknowledged records") != std::string::npos;
}

// As `fiverate tasks reset --missing`, while no process runs.
void SimCluster::reset_missing() {
  std::vector<InRecord> records;
  log_.read(kCheckpointsPartition, 0, static_cast<std::size_t>(log_.end_offset(kCheckpointsPartition)), records);
  for (const auto& group : groups_) {
    for (const auto& input : group->inputs()) {
      ResetRequest request{task_name_of(input), definition_id(definition_), {}, {}, {}, std::nullopt};
      if (const auto committed = group->offsets.find(input); committed != group->offsets.end())
        request.committed = committed->second;
      for (const auto& record : records) {
        if (auto checkpoint = parse_checkpoint(record); checkpoint && checkpoint->task() == request.task) {
          request.checkpoints.push_back(std::move(*checkpoint));
        }
      }
      for (const auto& [partition, all] : log_.partitions())
        request.result_partitions[partition] = {0, log_.end_offset(partition)};
      const auto plan = plan_reset(request);
      if (!plan) continue;  // its results are all there
      log_.append(checkpoint_record(plan->checkpoint, 1));
      group->offsets[input] = {
          plan->checkpoint.offset(),
          to_text(CheckpointPointer{plan->checkpoint.reset_epoch(), log_.end_offset(kCheckpointsPartition) - 1})};
      truncation_->reset.insert(request.task);
    }
  }
}

void SimCluster::restart_all() {
  for (auto& process : processes_) {
    if (process->up) kill(*process);
  }
}

std::string SimCluster::tasks() const {
  std::string text;
  for (const auto& process : processes_) {
    for (const auto& thread : process->threads) {
      if (!thread.supervisor) continue;
      for (const auto& [input, context] : thread.supervisor->tasks()) {
        const auto clock = context.op->clock();
        text += fmt::format("  {} in {}: {} of {} records, clock {}\n", context.task->name(), process->name,
                            context.task->next_offset(), log_.end_offset(input),
                            clock == kNever ? "never" : shanghai().format(clock));
      }
    }
  }
  return text;
}

bool SimCluster::has_sent_beyond_its_log() const {
  if (lost_a_result()) return false;  // no task reads it
  const auto& input = truncation_->input;
  const auto sender = task_name_of(input);
  const auto end = log_.end_offset(input);
  return std::ranges::any_of(log_.partitions(), [&](const auto& partition) {
    return partition.first.topic != Topic::checkpoints &&
           std::ranges::any_of(partition.second, [&](const auto& record) {
             return record->cause && record->cause->sender == sender && record->cause->position.offset >= end;
           });
  });
}

// ---- afterwards -----------------------------------------------------------------------------------------------------

bool SimCluster::calm() {
  constexpr int kPassesMax = 1000;
  weather_.calm();
  arrive(static_cast<std::int64_t>(to_arrive_.size()));
  extend(false);
  for (auto& disk : disks_) disk.full = false;
  for (auto& process : processes_) {
    process->frozen = false;
    process->up = true;
  }
  // So that intake repeats its progress: what it had sent last may have been lost.
  now_ += ProgressReporter::kEveryIdle;
  for (int pass = 0, quiet = 0; pass < kPassesMax; ++pass) {
    const auto count = [&] {
      std::size_t records = 0;
      for (const auto& [input, all] : log_.partitions()) records += all.size();
      return records;
    };
    const auto before = count();
    const auto incarnations = incarnations_;
    bool moved = false;
    for (auto& process : processes_) {
      for (std::size_t stage = 0; stage < kStages; ++stage) {
        process->up = true;
        work(*process, stage);
        if (stopped_ && !operator_helps()) return true;
        auto& thread = process->threads[stage];
        if (!thread.supervisor || !thread.supervisor->is_running()) {
          moved = true;  // it starts again
          continue;
        }
        for (const auto& [input, context] : thread.supervisor->tasks())
          moved |= context.task->next_offset() < log_.end_offset(input);
        react(*process, stage, thread.supervisor->commit_all());
        if (stopped_ && !operator_helps()) return true;
        if (thread.supervisor && thread.supervisor->is_running()) thread.ports->sink()->deliver_all();
      }
    }
    for (const auto& group : groups_) moved |= group->rebalancing();
    quiet = moved || count() != before || incarnations_ != incarnations ? 0 : quiet + 1;
    if (quiet < 3) continue;
    if (late_.empty()) return true;
    while (!late_.empty()) late_request();  // after all others, so that an older record comes last
    quiet = 0;
  }
  return false;
}

}  // namespace fiverate::test
