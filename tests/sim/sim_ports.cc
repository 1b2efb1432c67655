#include "tests/sim/sim_ports.h"

namespace fiverate::test {

// ---- source ---------------------------------------------------------------------------------------------------------

Result<void> SimSource::poll(std::chrono::milliseconds /*wait*/, std::vector<InRecord>& records) {
  if (dead_ || weather_.kills(PortCall::poll, dead_)) return killed();
  if (weather_.strikes(Fault::connection_loss, 500)) return fail(Reaction::retry, "Kafka is away.");
  const auto reads = keep_up_with_the_group();
  if (!reads) return tl::make_unexpected(reads.error());
  if (dead_) return killed();  // while it gave up its tasks
  if (!*reads) return {};
  for (auto& [input, next] : next_) {
    const auto end = log_.end_offset(input);
    if (next > end) {  // as KafkaFetcher::not_in_log
      return fail(Reaction::stop,
                  "{} partition {} is to be read from offset {}, but it ends at {}: it was truncated or made anew.",
                  name_of(input.topic), input.partition, next, end);
    }
    auto& chance = weather_.chance();
    if (!weather_.is_calm() && chance.percent(30)) continue;  // nothing fetched yet
    const auto most = weather_.is_calm() ? 4096 : 1 + chance.below(chance.percent(20) ? 200 : 12);
    const auto before = records.size();
    log_.read(input, next, static_cast<std::size_t>(most), records);
    next += static_cast<std::int64_t>(records.size() - before);
  }
  if (!records.empty() && !group_.knows(member_, incarnation_) && !told_as_zombie_) {
    told_as_zombie_ = true;
    weather_.count(Fault::zombie);
  }
  return {};
}

// False: nothing is ours at the moment.
Result<bool> SimSource::keep_up_with_the_group() {
  const bool hears = weather_.is_calm() || weather_.chance().percent(25);
  if (!joined_) {
    group_.join(member_, incarnation_);
    joined_ = true;
  } else if (!group_.knows(member_, incarnation_)) {
    if (assigned_ && !hears) return true;  // it does not know yet
    give_up();
    told_as_zombie_ = false;
    group_.join(member_, incarnation_);
  } else if (group_.sharing_out() && !group_.members().at(member_).joined) {
    if (assigned_ && !hears) return true;
    give_up();
    group_.join(member_, incarnation_);
  }
  if (group_.sharing_out()) return false;
  if (assigned_ && generation_ == group_.generation()) return true;
  give_up();
  const auto& inputs = group_.members().at(member_).assigned;
  generation_ = group_.generation();
  auto begin = listener_.assigned(inputs);
  if (!begin) return tl::make_unexpected(begin.error());
  next_ = std::move(*begin);
  assigned_ = true;
  return true;
}

void SimSource::give_up() {
  if (!assigned_) return;
  std::vector<Input> inputs;
  for (const auto& [input, next] : next_) inputs.push_back(input);
  listener_.revoked(inputs);
  next_.clear();
  assigned_ = false;
}

Result<std::optional<Committed>> SimSource::committed(const Input& input) {
  if (dead_ || weather_.kills(PortCall::group_read, dead_)) return killed();
  if (weather_.strikes(Fault::connection_loss, 300)) return fail(Reaction::retry, "The coordinator is away.");
  const auto found = group_.offsets.find(input);
  return found == group_.offsets.end() ? std::nullopt : std::optional(found->second);
}

Result<void> SimSource::commit(const std::map<Input, Committed>& positions) {
  if (dead_ || weather_.kills(PortCall::group_commit, dead_)) return killed();
  if (!group_.knows(member_, incarnation_) || generation_ != group_.generation()) {
    weather_.count(Fault::refused_commit);
    return {};  // as KafkaSource: whoever owns the partition next commits
  }
  const bool lost = weather_.strikes(Fault::connection_loss, 300);
  if (!lost || weather_.chance().percent(50)) {
    for (const auto& [input, position] : positions) group_.offsets[input] = position;
  }
  if (lost) return fail(Reaction::retry, "The coordinator did not answer.");
  if (weather_.kills(PortCall::group_commit, dead_)) return killed();
  return {};
}

Result<std::optional<Extent>> SimSource::extent(const Input& input) {
  if (dead_) return killed();
  if (weather_.strikes(Fault::connection_loss, 300)) return fail(Reaction::retry, "The end of the log is not to be learnt.");
  return Extent{0, log_.end_offset(input)};
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

Result<Sink::Tail> SimSink::tail(const Input& target) {
  if (dead_) return killed();
  if (weather_.strikes(Fault::connection_loss, 300)) return fail(Reaction::retry, "The end could not be read.");
  return Tail{log_.end_offset(target), log_.last_cause(target)};
}

Result<std::optional<CausePosition>> SimSink::last_said(Topic topic, std::int32_t partition, std::string_view sender) {
  if (dead_) return killed();
  if (weather_.strikes(Fault::connection_loss, 300)) return fail(Reaction::retry, "The end could not be read.");
  return log_.last_said({topic, partition}, sender);
}

Result<bool> SimSink::still_holds(const Input& target, std::int64_t offset, const Cause& cause) {
  if (dead_) return killed();
  if (weather_.strikes(Fault::connection_loss, 300)) return fail(Reaction::retry, "The record could not be read.");
  const auto& records = log_.all(target);
  return static_cast<std::size_t>(offset) < records.size() && records[static_cast<std::size_t>(offset)]->cause == cause;
}

Result<Sink::ReadOn> SimSink::follow(Topic topic, std::int32_t partition, std::int64_t back) {
  const Input input{topic, partition};
  return [&log = log_, input, next = std::max<std::int64_t>(0, log_.end_offset(input) - back)](
             std::vector<InRecord>& records) mutable -> Result<void> {
    const auto before = records.size();
    log.read(input, next, 4096, records);
    next += static_cast<std::int64_t>(records.size() - before);
    return {};
  };
}

void SimSink::deliver(const Input& target, std::deque<OutRecord>& records, std::int64_t count) {
  for (; count > 0; --count) {
    const auto& record = records.front();
    if (record.cause && !record.link) ends_.sent(target, acknowledged_, *record.cause);
    if (auto noted = ends_.note(target, acknowledged_++, log_.end_offset(target)); !noted) failed_ = noted.error();
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

}  // namespace fiverate::test
