#include "tests/sim/sim_cluster.h"

#include <algorithm>
#include <chrono>

#include "processors/stream/continuation.h"
#include "processors/stream/group_store.h"
#include "schemas/check.h"
#include "tests/support/events.h"
#include "tests/support/rig.h"

namespace fiverate::test {
namespace {

constexpr std::array<Stage, 4> kThreads{Stage::intake, Stage::outlet, Stage::market, Stage::desk};

std::string order_name(const Input& input) {
  return fmt::format("{}-{}", task_name_of(input), input.partition);
}

// All that the group of a thread shares out.
std::vector<Input> shared_out(Stage stage, const Definition& definition) {
  return stage == Stage::intake ? source_inputs(definition) : inputs_of(stage, definition);
}

}  // namespace

// One thread of a stage, between two failures.
struct SimCluster::StageRun {
  SimSource source;
  SimSink sink;
  ProgressTracker book;
  std::set<Input> mine;
  bool told_in_calm = false;
  std::unique_ptr<Standby> standby;
  std::unique_ptr<Worker> worker;
  struct Tally {
    const Task* task = nullptr;
    TaskCounters counters;
  };
  std::map<Input, Tally> tallies;
};

struct SimCluster::Process {
  std::string name;
  SimDisk* disk = nullptr;
  bool dead = false;    // killed within a call; nothing it does has an effect any more
  bool frozen = false;  // SIGSTOP, a long pause, a machine that swaps
  bool up = true;
  int down_for = 0;
  std::array<std::unique_ptr<StageRun>, kStages> runs;
  std::array<int, kStages> rests_for{};
};

SimCluster::SimCluster(const ClusterPlan& plan, const std::vector<SourceRecord>& history, Millis end, Weather& weather,
                       Saboteur* saboteur)
    : plan_(plan),
      definition_(make_definition("Asia/Shanghai", plan.partitions)),
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
    groups_[stage] = std::make_unique<SimGroup>(shared_out(kThreads[stage], definition_));
  }
  for (int i = 0; i < plan_.processes; ++i) {
    auto& process = *processes_.emplace_back(std::make_unique<Process>());
    process.name = fmt::format("process-{}", i);
    process.disk = &disks_[static_cast<std::size_t>(i % plan_.disks)];
  }
  if (plan_.time_known_early) {
    mark_sources(history.front().arrival - 1);
    weather_.calm();
    static_cast<void>(calm());
  }
  lay_out(history, end);
  if (plan_.backlog) arrive(static_cast<std::int64_t>(to_arrive_.size()));
}

SimCluster::~SimCluster() {
  for (auto& process : processes_) {
    process->dead = true;  // nothing is said any more
    for (auto& run : process->runs) run.reset();
  }
}

void SimCluster::mark_sources(Millis complete_through) {
  const auto value = mark(complete_through).SerializeAsString();
  for (const auto& input : source_inputs(definition_)) {
    log_.append({input.topic, input.partition, complete_through, "", value, std::nullopt, std::nullopt});
  }
}

// Marks stand anywhere between records, not only at midnights.
void SimCluster::lay_out(const std::vector<SourceRecord>& history, Millis end) {
  const auto salt = std::to_string(chance_.below(1000));
  const auto marks = [&](Millis complete_through) {
    const auto value = mark(complete_through).SerializeAsString();
    for (const auto& input : source_inputs(definition_)) {
      to_arrive_.push_back({input.topic, input.partition, complete_through, "", value, std::nullopt, std::nullopt});
    }
  };
  Millis marked = 0;
  for (const auto& record : history) {
    if (chance_.percent(10) && record.arrival - 1 > marked) marks(marked = record.arrival - 1);
    const auto partition = partition_of(record.key + salt, plan_.partitions.of(record.topic));
    to_arrive_.push_back(
        {record.topic, partition, record.arrival, record.key, record.value, std::nullopt, std::nullopt});
  }
  marks(end);
}

void SimCluster::arrive(std::int64_t count) {
  for (; count > 0 && arrived_ < to_arrive_.size(); --count) log_.append(std::move(to_arrive_[arrived_++]));
}

// ---- a stage thread -------------------------------------------------------------------------------------------------

void SimCluster::work(Process& process, std::size_t stage) {
  auto& run = process.runs[stage];
  if (!run && process.rests_for[stage]-- > 0) return;
  if (!run) {
    const auto incarnation = ++incarnations_;
    run.reset(new StageRun{
        {log_, *groups_[stage], fmt::format("{}-{}", process.name, stage), incarnation, weather_, process.dead},
        {log_, late_, saboteur_, weather_, process.dead},
        ProgressTracker(definition_),
        {},
        false,
        nullptr,
        nullptr,
        {}});
    if (plan_.standby > 0) {
      // Its clock moves with each look at it.
      run->standby = std::make_unique<Standby>(
          [this, &process](const std::map<Input, std::int64_t>& from) -> Result<std::unique_ptr<Source>> {
            return std::make_unique<SimReader>(log_, from, weather_, process.dead);
          },
          [this, &process, stage](const Input& input) { return make_seat(process, stage, input); },
          inputs_of(kThreads[stage] == Stage::intake ? Stage::reference : kThreads[stage], definition_), plan_.standby,
          std::chrono::milliseconds{300},
          [at = std::chrono::steady_clock::time_point{std::chrono::hours{1}}]() mutable { return at += std::chrono::milliseconds{70}; });
    }
    // Never by the clock: what moves a commit is the number of records, and the storm.
    run->worker = std::make_unique<Worker>(
        run->source,
        [this, &process, stage](const Input& input) {
          note_owner(process, stage, input);
          return make_seat(process, stage, input);
        },
        WorkerOptions{std::chrono::milliseconds{0}, std::chrono::hours{10'000},
                      1 + chance_.below(chance_.percent(50) ? 20 : 400)},
        [this, &process, stage](const auto& seats) { return heartbeat(process, stage, seats); }, run->standby.get());
  }
  const auto worked = run->worker->round();
  react(process, stage, worked ? Result<void>{} : tl::make_unexpected(worked.error()));
}

// As StageThread::run and run_live.
void SimCluster::react(Process& process, std::size_t stage, const Result<void>& ended) {
  if (process.dead) return kill(process);
  if (ended) return;
  if (ended.error().reaction != Reaction::stop) {
    end_run(process, stage);
    process.rests_for[stage] = static_cast<int>(chance_.below(6));
    return;
  }
  if (!process.disk->full) stopped_ = ended.error();
  kill(process);
}

// Often, for a task that is given up takes its counters with it.
void SimCluster::count_tasks(StageRun& run) {
  for (const auto& [input, seat] : run.worker->seats()) {
    const auto& now = seat.task->counters();
    auto& known = run.tallies[input];
    if (known.task != seat.task.get() || known.counters.records > now.records) known = {seat.task.get(), {}};
    gaps_ += now.gaps - known.counters.gaps;
    repetitions_ += now.repetitions - known.counters.repetitions;
    rewritten_ += now.rewritten - known.counters.rewritten;
    known.counters = now;
  }
}

void SimCluster::end_run(Process& process, std::size_t stage) {
  auto& run = process.runs[stage];
  if (!run) return;
  count_tasks(*run);
  run.reset();
}

void SimCluster::kill(Process& process) {
  process.dead = true;
  for (std::size_t stage = 0; stage < kStages; ++stage) end_run(process, stage);
  process.dead = process.frozen = process.up = false;
  process.down_for = static_cast<int>(chance_.below(chance_.percent(30) ? 60 : 8));
}

// As after SIGTERM.
void SimCluster::leave(Process& process) {
  for (std::size_t stage = 0; stage < kStages && !process.dead; ++stage) {
    if (process.runs[stage]) static_cast<void>(process.runs[stage]->worker->commit_all());
  }
  kill(process);
}

Result<Seat> SimCluster::make_seat(Process& process, std::size_t stage, const Input& input) {
  const auto reads = stage_reading(input.topic);
  Seat seat;
  if (const auto order = orders_.find(order_name(input)); order != orders_.end()) seat.speak_from = order->second;
  if (reads == Stage::intake) {
    auto committed = process.runs[stage]->source.committed(input);
    if (!committed) return tl::make_unexpected(committed.error());
    seat.store = std::make_unique<GroupStore>(*committed, seat.speak_from);
  } else {
    auto store =
        SimStore::open(*process.disk, fmt::format("{}-{}", name_of(reads), input.partition), weather_, process.dead);
    if (!store) return tl::make_unexpected(store.error());
    seat.store = std::move(*store);
    auto saved = seat.store->get(kTaskKey);
    if (!saved) return tl::make_unexpected(saved.error());
    // As States::open: a state that is beyond the order is set aside.
    TaskState state;
    if (seat.speak_from && *saved && state.ParseFromString(**saved) &&
        std::max(state.next_offset(), state.has_continuation() ? state.continuation().offset() : 0) >
            *seat.speak_from) {
      process.disk->folders.at(fmt::format("{}-{}", name_of(reads), input.partition)).become({});
      saved = std::nullopt;
    }
    seat.rebuilt = !*saved;
  }
  seat.result_topics = result_topics_of(reads);
  seat.targets = shared_targets_of(reads, input.partition, definition_);
  seat.op = make_operator(input, definition_, plan_.live_rows);
  const bool again = !begun_.insert(input).second;
  if (saboteur_ != nullptr) seat.op = saboteur_->wrap(std::move(seat.op), again);
  seat.task = std::make_unique<Task>(task_name_of(input), input, definition_id(definition_), *seat.op, *seat.store,
                                     process.runs[stage]->sink);
  return seat;
}

void SimCluster::note_owner(Process& process, std::size_t stage, const Input& input) {
  auto& owner = owners_[input];
  if (owner != nullptr && owner != &process) {
    weather_.count(Fault::move);
    const auto& run = owner->runs[stage];
    if (run && run->worker->seats().contains(input)) weather_.count(Fault::two_at_once);
  }
  owner = &process;
}

// As IntakeHeartbeat, with chance in place of the clock.
Result<void> SimCluster::heartbeat(Process& process, std::size_t stage, const std::map<Input, Seat>& seats) {
  auto& run = *process.runs[stage];
  count_tasks(run);
  for (const auto& [input, seat] : seats) {
    if (seat.speak_from && seat.task->next_offset() >= seat.spoken_until && !seat.task->changed())
      orders_.erase(order_name(input));
  }
  if (kThreads[stage] != Stage::intake) return {};
  for (const auto& input : run.mine) {
    if (!seats.contains(input)) run.book.remove(input);
  }
  run.mine.clear();
  for (const auto& [input, seat] : seats) {
    run.mine.insert(input);
    if (!seat.task->changed()) run.book.acknowledge(input, seat.op->clock(), seat.task->acknowledged());
  }
  // Told again now and then though nothing moves (kIdleProgressEvery), for what was told last may have been lost: in the calm, once.
  const bool again = weather_.is_calm() ? !std::exchange(run.told_in_calm, true) : chance_.percent(4);
  const bool told = again || (run.book.changed() && (weather_.is_calm() || chance_.percent(40)));
  if (!told) return {};
  for (auto& record : run.book.records(again)) FIVERATE_TRY(run.sink.send(std::move(record)));
  return {};
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
    if (stopped_ && !person_helps()) return;
    if (step == truncated_at) truncate();
    for (auto& process : processes_) {
      if (!process->up && --process->down_for < 0) process->up = true;
    }
    const auto dice = chance_.below(1000);
    auto* process = any_process(true);
    if (process == nullptr) continue;
    const auto stage = static_cast<std::size_t>(chance_.below(kStages));
    auto& run = process->runs[stage];
    if (dice < 730) {
      if (!process->frozen) work(*process, stage);
    } else if (dice < 810) {
      if (run) run->sink.deliver_some();
    } else if (dice < 880) {
      if (run && !process->frozen) react(*process, stage, run->worker->commit_all());
    } else if (dice < 955) {
      arrive(1 + chance_.below(2 * each));
    } else if (dice < 970) {
      late_request();
    } else {
      misfortune();
    }
  }
  if (stopped_) static_cast<void>(person_helps());
}

void SimCluster::late_request() {
  if (late_.empty()) return;
  const auto at = static_cast<std::size_t>(chance_.below(static_cast<std::int64_t>(late_.size())));
  log_.append(std::move(late_[at].front()));
  weather_.count(Fault::late_request);
  late_[at].pop_front();
  if (late_[at].empty()) late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(at));
}

// Of the whole, not of a call.
void SimCluster::misfortune() {
  auto& process = *any_process(true);
  auto& disk = disks_[static_cast<std::size_t>(chance_.below(plan_.disks))];
  auto& group = *groups_[static_cast<std::size_t>(chance_.below(kStages))];
  const auto dice = chance_.below(100);
  if (dice < 14) {
    weather_.count(Fault::crash);
    kill(process);
  } else if (dice < 20) {
    leave(process);
  } else if (dice < 36) {
    process.frozen = !process.frozen;
  } else if (dice < 66) {  // a session is over
    if (group.members().empty()) return;
    auto member = group.members().begin();
    std::advance(member, chance_.below(static_cast<std::int64_t>(group.members().size())));
    weather_.count(Fault::rebalance);
    group.expel(std::string(member->first));
  } else if (dice < 72) {
    disk.full = !disk.full;
    if (disk.full) weather_.count(Fault::disk_full);
  } else if (dice < 77) {
    cut_power(disk);
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

// Each store forgets as it likes: what the machine had not yet written of its log.
void SimCluster::cut_power(SimDisk& disk) {
  for (auto& process : processes_) {
    if (process->disk == &disk && process->up) kill(*process);
  }
  weather_.count(Fault::power_cut);
  for (auto& [name, folder] : disk.folders) {
    folder.lose_last_batches(static_cast<std::size_t>(chance_.below(SimFolder::kBatchesKept)));
  }
}

// A broker that was behind becomes the leader: the end of one partition is gone, though it was acknowledged.
void SimCluster::truncate() {
  std::vector<Topic> topics{Topic::metrics,   Topic::metrics_final, Topic::alerts,
                            Topic::alert_log, Topic::quarantine,    Topic::seals};
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

bool SimCluster::lost_a_result() const {
  return !is_internal(truncation_->input.topic);
}

// Who looks after the processes reads why they stopped. Results that are gone are said again as the message asks; without such an order
// it is tried once more. What tasks read is not to be had again: that stays stopped.
bool SimCluster::person_helps() {
  constexpr std::string_view kOrder = "--speak-from ";
  constexpr int kTimesMax = 40;  // under further faults it may take some
  if (!truncation_ || !lost_a_result() || ++truncation_->helped > kTimesMax) return false;
  const std::string_view what = stopped_->what;
  if (const auto at = what.find(kOrder); at != std::string_view::npos) {
    const auto order = what.substr(at + kOrder.size());
    const auto colon = order.find(':');
    auto name = std::string(order.substr(0, colon));
    orders_[name] = std::stoll(std::string(order.substr(colon + 1)));
    name[name.rfind('-')] = '/';
    truncation_->told.insert(std::move(name));
  } else if (what.find("has lost records that were acknowledged") == std::string_view::npos) {
    return false;
  }
  stopped_.reset();
  restart_all();
  return true;
}

std::set<std::string> SimCluster::senders_of_what_is_gone() const {
  std::set<std::string> senders;
  for (const auto& record : truncation_->cut) senders.insert(record->cause->sender);
  return senders;
}

SimCluster::MarksByDisk SimCluster::marks_to_begin_with() const {
  MarksByDisk found;
  for (const auto& sender : senders_of_what_is_gone()) {
    std::vector<ResultsState> of_group;
    for (const auto& group : groups_) {
      for (const auto& [input, committed] : group->offsets) {
        if (sender_name(task_name_of(input), input.partition) != sender) continue;
        if (const auto continuation = continuation_in(committed.metadata)) of_group.push_back(continuation->results());
        TaskState state;
        const auto saved = GroupStore(committed).get(kTaskKey);
        if (*saved && state.ParseFromString(**saved)) of_group.push_back(state.results());
      }
    }
    for (std::size_t i = 0; i < disks_.size(); ++i) {
      ResultMarks marks;
      for (const auto& [name, folder] : disks_[i].folders) {
        TaskState state;
        const auto saved = folder.content->find(std::string(kTaskKey));
        if (saved == folder.content->end() || !state.ParseFromString(saved->second) || state.task() != sender) continue;
        CHECK(marks.learn(state.results()), sender);
      }
      for (const auto& results : of_group) CHECK(marks.learn(results), sender);
      if (const auto& known = marks.of(truncation_->input); !known.empty()) found[{sender, i}] = known.back();
    }
  }
  return found;
}

// A task that begins with it has to tell.
bool SimCluster::is_gone(const std::string& sender, const ResultMark& mark) const {
  const auto at = mark.end - 1 - truncation_->new_end;
  return at >= 0 && at < static_cast<std::int64_t>(truncation_->cut.size()) &&
         truncation_->cut[static_cast<std::size_t>(at)]->cause == Cause{sender, mark.cause};
}

bool SimCluster::loss_is_forgotten(const MarksByDisk& before) const {
  return std::ranges::any_of(senders_of_what_is_gone(), [&](const auto& sender) {
    if (truncation_->told.contains(sender)) return false;
    for (const auto& process : processes_) {
      for (const auto& run : process->runs) {
        if (!run) continue;
        for (const auto& [input, seat] : run->worker->seats()) {
          if (seat.task->name() != sender) continue;
          const auto mark = before.find({sender, static_cast<std::size_t>(process->disk - disks_.data())});
          return mark == before.end() || !is_gone(sender, mark->second);
        }
      }
    }
    return false;
  });
}

void SimCluster::restart_all() {
  for (auto& process : processes_) {
    if (process->up) kill(*process);
  }
}

std::string SimCluster::tasks() const {
  std::string text;
  for (const auto& process : processes_) {
    for (const auto& run : process->runs) {
      if (!run) continue;
      for (const auto& [input, seat] : run->worker->seats()) {
        const auto clock = seat.op->clock();
        text += fmt::format("  {} in {}: {} of {} records, clock {}\n", seat.task->name(), process->name,
                            seat.task->next_offset(), log_.end_offset(input),
                            clock == kNever ? "never" : shanghai().format(clock));
      }
    }
  }
  return text;
}

bool SimCluster::has_said_more_than_its_log() const {
  if (lost_a_result()) return false;  // nobody reads it
  const auto& input = truncation_->input;
  const auto sender = sender_name(task_name_of(input), input.partition);
  const auto end = log_.end_offset(input);
  return std::ranges::any_of(log_.partitions(), [&](const auto& partition) {
    return std::ranges::any_of(partition.second, [&](const auto& record) {
      return record->cause && record->cause->sender == sender && record->cause->position.offset >= end;
    });
  });
}

// ---- afterwards -----------------------------------------------------------------------------------------------------

bool SimCluster::calm() {
  constexpr int kPassesMax = 1000;
  weather_.calm();
  arrive(static_cast<std::int64_t>(to_arrive_.size()));
  for (auto& disk : disks_) disk.full = false;
  for (auto& process : processes_) {
    process->frozen = false;
    process->up = true;
    process->rests_for = {};
  }
  for (int pass = 0, quiet = 0; pass < kPassesMax; ++pass) {
    std::size_t before = 0;
    for (const auto& [input, records] : log_.partitions()) before += records.size();
    const auto incarnations = incarnations_;
    bool moved = false;
    for (auto& process : processes_) {
      for (std::size_t stage = 0; stage < kStages; ++stage) {
        process->up = true;
        work(*process, stage);
        if (stopped_ && !person_helps()) return true;
        auto& run = process->runs[stage];
        moved |= !run;  // it will begin again
        if (!run) continue;
        for (const auto& [input, seat] : run->worker->seats())
          moved |= seat.task->next_offset() < log_.end_offset(input);
        react(*process, stage, run->worker->commit_all());
        if (stopped_ && !person_helps()) return true;
        if (run) run->sink.deliver_all();
      }
    }
    for (const auto& group : groups_) moved |= group->sharing_out();
    std::size_t after = 0;
    for (const auto& [input, records] : log_.partitions()) after += records.size();
    quiet = moved || after != before || incarnations_ != incarnations ? 0 : quiet + 1;
    if (quiet < 3) continue;
    if (late_.empty()) return true;
    while (!late_.empty()) late_request();  // when all is said, what is older comes last
    quiet = 0;
  }
  return false;
}

}  // namespace fiverate::test
