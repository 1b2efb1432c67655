#include "tests/sim/sim_ports.h"

#include "processors/stages/task_names.h"

namespace fiverate::test {

// ---- source ---------------------------------------------------------------------------------------------------------

Result<void> SimSource::poll(std::chrono::milliseconds /*wait*/, std::vector<InRecord>& records) {
  if (dead_ || weather_.kills(PortCall::poll, dead_)) return killed();
  if (weather_.strikes(Fault::connection_loss, 500)) return fail(Reaction::retry, "Kafka is away.");
  TRY_VALUE(is_assigned, follow_group());
  if (dead_) return killed();  // during the revocation
  if (!is_assigned) return {};
  for (auto& [input, next] : next_) {
    if (paused_.contains(input)) continue;
    const auto end = log_.end_offset(input);
    if (next > end) {  // as KafkaFetcher::not_in_log
      return fail(Reaction::stop,
                  "{} partition {} is to be read from offset {}, but it ends at {}: it was truncated or created again.",
                  name_of(input.topic), input.partition, next, end);
    }
    auto& chance = weather_.chance();
    if (!weather_.is_calm() && chance.percent(30)) continue;  // nothing fetched yet
    const auto most = weather_.is_calm() ? 4096 : 1 + chance.below(chance.percent(20) ? 200 : 12);
    const auto before = records.size();
    log_.read(input, next, static_cast<std::size_t>(most), records);
    next += static_cast<std::int64_t>(records.size() - before);
  }
  if (!records.empty() && !group_.knows(member_, incarnation_) && !counted_as_zombie_) {
    counted_as_zombie_ = true;
    weather_.count(Fault::zombie);
  }
  return {};
}

// False: nothing is assigned to us at the moment.
Result<bool> SimSource::follow_group() {
  const bool notices = weather_.is_calm() || weather_.chance().percent(25);
  if (!joined_) {
    group_.join(member_, incarnation_);
    joined_ = true;
  } else if (!group_.knows(member_, incarnation_)) {
    if (assigned_ && !notices) return true;
    revoke();
    counted_as_zombie_ = false;
    group_.join(member_, incarnation_);
  } else if (group_.rebalancing() && !group_.members().at(member_).joined) {
    if (assigned_ && !notices) return true;
    revoke();
    group_.join(member_, incarnation_);
  }
  if (group_.rebalancing()) return false;
  if (assigned_ && generation_ == group_.generation()) return true;
  revoke();
  const auto& inputs = group_.members().at(member_).assigned;
  generation_ = group_.generation();
  TRY_VALUE(begin, listener_.on_assigned(inputs));
  next_ = std::move(begin);
  assigned_ = true;
  return true;
}

void SimSource::revoke() {
  if (!assigned_) return;
  std::vector<Input> inputs;
  for (const auto& [input, next] : next_) inputs.push_back(input);
  listener_.on_revoked(inputs);
  next_.clear();
  paused_.clear();
  assigned_ = false;
}

Result<std::map<Input, Committed>> SimSource::committed(const std::vector<Input>& inputs,
                                                        std::chrono::milliseconds /*within*/) {
  if (dead_ || weather_.kills(PortCall::group_read, dead_)) return killed();
  if (weather_.strikes(Fault::connection_loss, 300)) return fail(Reaction::retry, "The coordinator is away.");
  std::map<Input, Committed> found;
  for (const auto& input : inputs) {
    if (const auto position = group_.offsets.find(input); position != group_.offsets.end()) found.insert(*position);
  }
  return found;
}

Result<void> SimSource::commit(const std::map<Input, Committed>& positions) {
  if (dead_ || weather_.kills(PortCall::group_commit, dead_)) return killed();
  if (!group_.knows(member_, incarnation_) || generation_ != group_.generation()) {
    weather_.count(Fault::refused_commit);
    return {};  // as KafkaSource: the next owner of the partition commits
  }
  const bool lost = weather_.strikes(Fault::connection_loss, 300);
  if (!lost || weather_.chance().percent(50)) {
    for (const auto& [input, position] : positions) group_.offsets[input] = position;
  }
  if (lost) return fail(Reaction::retry, "The coordinator did not answer.");
  if (weather_.kills(PortCall::group_commit, dead_)) return killed();
  return {};
}

Result<std::optional<OffsetRange>> SimSource::offset_range(const Input& input) {
  if (dead_) return killed();
  if (weather_.strikes(Fault::connection_loss, 300))
    return fail(Reaction::retry, "The offsets of the log could not be read.");
  return OffsetRange{0, log_.end_offset(input)};
}

Result<std::map<Topic, std::int32_t>> SimSource::partition_counts(std::chrono::milliseconds /*within*/) {
  if (dead_) return killed();
  if (!weather_.is_calm() && group_.counting.one_in(150)) {
    weather_.count(Fault::connection_loss);
    return fail(Reaction::retry, "Kafka is away.");
  }
  return group_.partition_counts;
}

void SimSource::set_paused(const Input& input, bool paused) {
  if (paused) {
    paused_.insert(input);
  } else {
    paused_.erase(input);
  }
}

std::map<Input, std::int64_t> SimSource::lag() const {
  std::map<Input, std::int64_t> lag;
  for (const auto& [input, next] : next_) lag[input] = log_.end_offset(input) - next;
  return lag;
}

Result<void> SimReader::poll(std::chrono::milliseconds /*wait*/, std::vector<InRecord>& records) {
  if (dead_) return killed();
  if (weather_.strikes(Fault::connection_loss, 500)) return fail(Reaction::retry, "Kafka is away.");
  for (auto& [input, next] : next_) {
    if (next > log_.end_offset(input)) return fail(Reaction::stop, "It was truncated.");
    const auto before = records.size();
    log_.read(input, next, weather_.is_calm() ? 4096 : static_cast<std::size_t>(weather_.chance().below(40)), records);
    next += static_cast<std::int64_t>(records.size() - before);
  }
  return {};
}

// ---- checkpoints ----------------------------------------------------------------------------------------------------

std::map<std::string, Checkpoint> find_checkpoints(const SimLog& log,
                                                   const std::map<std::string, CheckpointPointer>& tasks) {
  std::vector<InRecord> records;
  const auto end = log.end_offset(kCheckpointsPartition);
  log.read(kCheckpointsPartition, 0, static_cast<std::size_t>(end), records);
  std::map<std::string, Checkpoint> found;
  for (const auto& record : records) {
    const auto task = tasks.find(std::string(record.key));
    if (task == tasks.end()) continue;
    const auto pointer = task->second.offset;
    if (pointer >= 0 && pointer < end && record.offset < pointer) continue;
    const auto checkpoint = parse_checkpoint(record);
    if (!checkpoint) continue;
    const auto known = found.find(task->first);
    if (known == found.end() || is_newer(*checkpoint, known->second)) found.insert_or_assign(task->first, *checkpoint);
  }
  return found;
}

Result<std::map<std::string, Checkpoint>> SimCheckpoints::find(const std::map<std::string, CheckpointPointer>& tasks) {
  if (dead_) return killed();
  if (weather_.strikes(Fault::connection_loss, 300)) return fail(Reaction::retry, "The checkpoints could not be read.");
  return find_checkpoints(log_, tasks);
}

// ---- sink -----------------------------------------------------------------------------------------------------------

Result<void> SimSink::send(OutRecord record) {
  if (dead_ || weather_.kills(PortCall::send, dead_)) return killed();
  if (failed_) return tl::make_unexpected(*failed_);
  if (weather_.strikes(Fault::connection_loss, 20'000)) return fail(Reaction::retry, "Kafka takes no more.");
  const Input input{record.topic, record.partition};
  if (saboteur_ == nullptr) {
    waiting_[input].push_back(std::move(record));
  } else {
    for (auto& spoiled : saboteur_->on_the_wire(std::move(record), this)) waiting_[input].push_back(std::move(spoiled));
  }
  return {};
}

Result<void> SimSink::flush() {
  if (dead_ || weather_.kills(PortCall::flush, dead_)) return killed();
  if (failed_) return tl::make_unexpected(*failed_);
  if (weather_.strikes(Fault::lost_ack, 90)) {
    failed_ = Error{Reaction::drop_task, "Kafka has acknowledged nothing for 30 s."};
    abandon();
    return tl::make_unexpected(*failed_);
  }
  if (saboteur_ != nullptr) {
    if (auto held = saboteur_->release(this)) waiting_[{held->topic, held->partition}].push_back(std::move(*held));
  }
  deliver_all();
  if (failed_) return tl::make_unexpected(*failed_);
  if (saboteur_ != nullptr) saboteur_->acknowledged(this);
  if (weather_.kills(PortCall::flush, dead_)) return killed();
  return {};
}

// A request is late by minutes, not days: the alert manager writes an alert again kWrittenAgainTimes after it changed.
void SimSink::deliver_late_before(const Input& target, Millis newest) {
  for (auto& records : late_) {
    while (!records.empty() && Input{records.front().topic, records.front().partition} == target &&
           records.front().timestamp + kDayMs < newest) {
      log_.append(std::move(records.front()));
      weather_.count(Fault::late_request);
      records.pop_front();
    }
  }
  std::erase_if(late_, [](const auto& records) { return records.empty(); });
}

void SimSink::deliver(const Input& target, std::deque<OutRecord>& records, std::int64_t count) {
  if (count > 0) deliver_late_before(target, records.back().timestamp);
  for (; count > 0; --count) {
    const auto& record = records.front();
    if (record.cause && !record.link) offsets_.sent(target, acknowledged_, *record.cause);
    if (auto noted = offsets_.acknowledged(target, acknowledged_++, log_.end_offset(target)); !noted)
      failed_ = noted.error();
    log_.append(std::move(records.front()));
    records.pop_front();
  }
}

void SimSink::deliver_some() {
  if (dead_ || failed_) return;
  for (auto& [input, records] : waiting_) {
    if (records.empty() || weather_.chance().percent(30)) continue;
    const auto count = 1 + weather_.chance().below(static_cast<std::int64_t>(records.size()));
    weather_.count(Fault::delayed_ack, count);
    deliver(input, records, count);
  }
}

void SimSink::deliver_all() {
  for (auto& [input, records] : waiting_) deliver(input, records, static_cast<std::int64_t>(records.size()));
}

void SimSink::abandon() {
  auto& chance = weather_.chance();
  for (auto& [input, records] : waiting_) {
    if (records.empty()) continue;
    deliver(input, records, chance.below(static_cast<std::int64_t>(records.size()) + 1));
    if (records.empty() || !chance.percent(40)) continue;
    records.erase(records.begin() + 1 + chance.below(static_cast<std::int64_t>(records.size())), records.end());
    late_.push_back(std::move(records));
  }
  waiting_.clear();
}

// ---- a stage thread -------------------------------------------------------------------------------------------------

Result<std::unique_ptr<Sink>> SimStagePorts::open_sink() {
  auto sink = std::make_unique<SimSink>(world_.log, world_.late, world_.saboteur, world_.weather, dead_);
  sink_ = sink.get();
  return sink;
}

Result<std::unique_ptr<Source>> SimStagePorts::open_source() {
  return std::make_unique<SimSource>(world_.log, world_.group, member_, ++world_.incarnations, world_.weather, dead_);
}

Result<std::unique_ptr<Source>> SimStagePorts::open_reader(const std::map<Input, std::int64_t>& from) {
  return std::make_unique<SimReader>(world_.log, from, world_.weather, dead_);
}

Result<std::unique_ptr<CheckpointReader>> SimStagePorts::open_checkpoints() {
  return std::make_unique<SimCheckpoints>(world_.log, world_.weather, dead_);
}

Result<std::unique_ptr<Store>> SimStagePorts::open_store(const Input& input,
                                                         const std::optional<Checkpoint>& checkpoint) {
  const auto folder = task_argument_of(input);
  TRY_VALUE(store, SimStore::open(disk_, folder, world_.weather, dead_));
  TRY_VALUE(state, read_task_state(*store));
  if (state && !is_usable(*state, checkpoint)) {
    store.reset();
    disk_.folders.at(folder).become({});
    TRY_VALUE(empty, SimStore::open(disk_, folder, world_.weather, dead_));
    store = std::move(empty);
  }
  return std::move(store);
}

}  // namespace fiverate::test
