#include "processors/stream/task.h"

#include <spdlog/spdlog.h>
#include <xxhash.h>

#include <algorithm>
#include <limits>

#include "processors/stream/continuation.h"
#include "processors/stream/failpoint.h"
#include "schemas/check.h"
#include "state.pb.h"

namespace fiverate {
namespace {

// What came while nobody looked (a takeover, a restart) is looked at as well.
constexpr std::int64_t kGuardedBack = 10'000;

std::uint64_t fingerprint(const InRecord& record) { return chained(0, record.key, record.value); }

TargetsState to_state(const auto& targets, std::int64_t next_offset) {
  TargetsState state;
  for (const auto& [target, sent] : targets) {
    state.add_topics(static_cast<int>(target.topic));
    state.add_partitions(target.partition);
    state.add_behind(next_offset - sent.position.offset);
    state.add_indexes(sent.position.index);
    state.add_chains(sent.chain);
  }
  return state;
}

// False: the columns do not belong together.
bool load(const TargetsState& state, std::int64_t next_offset, auto& targets) {
  const auto size = state.topics_size();
  for (const auto other : {state.partitions_size(), state.behind_size(), state.indexes_size(), state.chains_size()}) {
    if (other != size) return false;
  }
  targets.clear();
  for (int i = 0; i < size; ++i) {
    targets[{static_cast<Topic>(state.topics(i)), state.partitions(i)}] = {{next_offset - state.behind(i), state.indexes(i)},
                                                                          state.chains(i)};
  }
  return true;
}

// As an order to speak again names it.
std::string order_name(std::string task) {
  std::ranges::replace(task, '/', '-');
  return task;
}

}  // namespace

Result<void> Operator::resume(std::string_view /*tally*/) { return fail(Reaction::stop, "This stage goes on from its own state only."); }

Task::Task(std::string stage, Input input, std::string definition_id, Operator& op, Store& store, Sink& sink)
    : name_(sender_name(stage, input.partition)),
      input_(input),
      definition_id_(std::move(definition_id)),
      op_(op),
      store_(store),
      sink_(sink),
      chains_what_it_reads_(is_internal(input.topic)) {}

Task::~Task() = default;

Result<std::int64_t> Task::restore() {
  const auto saved = store_.get(kTaskKey);
  if (!saved) return tl::make_unexpected(saved.error());
  if (*saved) {
    TaskState state;
    if (!state.ParseFromString(**saved) || !load(state.targets(), state.next_offset(), targets_) ||
        !results_.learn(state.results())) {
      return fail(Reaction::stop, "The state of {} is damaged ({}). Remove the folder: it is rebuilt from the log.", name_,
                  store_.where());
    }
    if (state.task() != name_) {
      return fail(Reaction::stop, "{} holds the state of {}, not of {}.", store_.where(), state.task(), name_);
    }
    if (state.definition_id() != definition_id_) {
      return fail(Reaction::stop,
                  "{} was built with another definition (time zone, windows, lateness, partitions or version). Go back to the "
                  "configuration that it was made with, or make new topics and a new state folder.",
                  store_.where());
    }
    next_offset_ = committed_offset_ = state.next_offset();
    fingerprint_timestamp_ = state.last_timestamp();
    fingerprint_hash_ = state.last_hash();
    read_chain_ = state.read_chain();
    for (const auto& sender : state.senders()) {
      senders_[sender.name()] = {{sender.offset(), sender.index()}, sender.chain()};
    }
    note_acknowledged();
    if (state.has_continuation()) {
      continuation_ = std::make_unique<const Continuation>(state.continuation());
      learn(*continuation_);  // the group may have forgotten it
    }
  }
  FIVERATE_TRY(op_.open(store_));
  return next_offset_ > 0 ? next_offset_ - 1 : 0;
}

Result<void> Task::read_tails(const std::vector<Topic>& result_topics) {
  guarded_.clear();
  for (const auto topic : result_topics) {
    const Input target{topic, input_.partition};
    sent_[target] = {};
    const auto tail = sink_.tail(target);
    if (!tail) return tl::make_unexpected(tail.error());
    if (holds_latest(topic)) {
      auto read_on = sink_.follow(topic, input_.partition, kGuardedBack);
      if (!read_on) return tl::make_unexpected(read_on.error());
      if (*read_on) guarded_.push_back({target, tail->end, std::move(*read_on), ResultWindow(name_)});
    }
    if (const auto& last = tail->last; last && last->sender != name_) {
      return fail(Reaction::stop, "Topic {} partition {} holds records of {}, not of {}.", fiverate::name_of(topic),
                  input_.partition, last->sender, name_);
    }
  }
  return {};
}

void Task::write_with_others(const std::vector<Input>& targets) {
  for (const auto& target : targets) {
    if (!is_internal(target.topic)) sent_[target] = {};  // those are chained
  }
}

void Task::learn(const Continuation& continuation) {
  if (!results_.learn(continuation.results())) spdlog::warn("{}: what the group knows of its results cannot be read", name_);
  if (continuation.read_until() >= next_offset_ && continuation.read_until() > 0) {
    read_by_group_ = {continuation.read_until(), continuation.read_chain()};
  }
}

Result<void> Task::check_read() {
  if (!read_by_group_ || next_offset_ < read_by_group_->until) return {};
  const auto read = *std::exchange(read_by_group_, std::nullopt);
  if (next_offset_ > read.until || read.chain == read_chain_) return {};
  return fail(Reaction::stop,
              "{} partition {} holds other records before offset {} than were read by whoever committed it for {}: the topic was truncated and "
              "has grown again, or it was made anew. Nothing is computed from another log.",
              fiverate::name_of(input_.topic), input_.partition, read.until, name_);
}

Result<std::optional<ResultMark>> Task::last_standing(const Input& target) {
  const auto& marks = results_.of(target);
  for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
    const auto holds = sink_.still_holds(target, mark->end - 1, {name_, mark->cause});
    if (!holds) return tl::make_unexpected(holds.error());
    if (*holds) return *mark;
  }
  return std::nullopt;
}

Result<void> Task::check_results(std::optional<std::int64_t> speak_from) {
  std::string lost;
  auto safe = std::numeric_limits<std::int64_t>::max();
  for (auto& [target, sent] : sent_) {
    const auto& marks = results_.of(target);
    const auto standing = last_standing(target);
    if (!standing) return tl::make_unexpected(standing.error());
    if (*standing && **standing == marks.back()) {
      const auto& mark = **standing;
      sent.said = mark.said;
      written_[target] = {mark.said, -1};
      sink_.know_end(target, mark.end);
      continue;
    }
    if (!marks.empty()) {
      lost += fmt::format("{}{} partition {} does not hold at offset {} what was acknowledged there",
                          lost.empty() ? "" : ", ", fiverate::name_of(target.topic), target.partition,
                          marks.back().end - 1);
      safe = std::min(safe, *standing ? (*standing)->said : 0);
    }
    if (!speak_from) continue;
    results_.forget(target);
    sent.said = *speak_from;
    // What stands there may be newer than what is gone.
    written_.erase(target);
    std::erase_if(guarded_, [&target = target](const Guarded& guarded) { return guarded.target == target; });
  }
  if (lost.empty()) return {};
  // One order for all: it begins where the one that has lost most is known to be whole.
  const auto order = fmt::format("--speak-from {}:{}", order_name(name_), safe);
  if (!speak_from) {
    return fail(Reaction::stop,
                "Results of {} that were acknowledged are gone: {}. Was a broker elected that was behind (unclean.leader.election.enable), or "
                "the topic made anew? Have them said again: stop who has this task, and start with run {}",
                name_, lost, order);
  }
  spdlog::info("{}: {}. By order it is said again from offset {} on", name_, lost, *speak_from);
  return {};
}

void Task::catch_up(const Continuation& continuation) {
  learn(continuation);
  if (continuation.offset() <= std::max(next_offset_, continuation_ ? continuation_->offset() : 0)) return;
  continuation_ = std::make_unique<const Continuation>(continuation);
}

// All before its offset is folded: from here on it is as if the task had said it.
Result<void> Task::go_on() {
  if (fingerprint_timestamp_ != continuation_->last_timestamp() || fingerprint_hash_ != continuation_->last_hash()) {
    return fail(Reaction::stop,
                "{} partition {} has another record before offset {} than the task had that committed it: the topic was truncated or made "
                "anew. Nothing is computed from another log.",
                fiverate::name_of(input_.topic), input_.partition, continuation_->offset());
  }
  const auto done = std::move(continuation_);
  if (!load(done->targets(), done->offset(), targets_)) {
    return fail(Reaction::stop, "What the group keeps with the offset of {} is damaged.", name_);
  }
  return op_.resume(done->tally());
}

std::string Task::continuation_text() {
  const auto said = op_.said();
  if (continuation_ || (!said && results_.empty() && !chains_what_it_reads_)) return {};
  Continuation continuation;
  if (chains_what_it_reads_) {
    continuation.set_read_until(next_offset_);
    continuation.set_read_chain(read_chain_);
  }
  if (!results_.empty()) *continuation.mutable_results() = results_.newest();
  const auto without = to_group_text(continuation);  // at offset 0: nothing to go on from
  if (!said) return without;
  continuation.set_offset(next_offset_);
  continuation.set_facts_until(std::min(said->facts_until, next_offset_));
  *continuation.mutable_targets() = to_state(targets_, next_offset_);
  continuation.set_tally(said->tally);
  continuation.set_last_timestamp(fingerprint_timestamp_);
  continuation.set_last_hash(fingerprint_hash_);
  auto whole = to_group_text(continuation);
  return whole.empty() ? without : whole;
}

void Task::stand_by() {
  speak_from_ = std::numeric_limits<std::int64_t>::max();
  guarded_.clear();
}

Result<void> Task::read_last_words(std::vector<Input> targets) {
  for (const auto& [target, sent] : sent_) targets.push_back(target);
  for (const auto& target : targets) {
    if (written_.contains(target)) continue;  // check_results() knows better
    const auto last = sink_.last_said(target.topic, target.partition, name_);
    if (!last) return tl::make_unexpected(last.error());
    if (*last) written_[target] = std::max(written_[target], **last);
  }
  return {};
}

Result<void> Task::guard_results() {
  std::vector<InRecord> records;
  for (auto& guarded : guarded_) {
    records.clear();
    FIVERATE_TRY(guarded.read_on(records));
    for (const auto& record : records) {
      guarded.window.read(record);
      // Whoever writes here writes in order, so all before it is here too: a twin that is faster has said it for us. Not what was there
      // when we began: something may be gone before it (check_results).
      if (record.offset < guarded.end || !record.cause || record.cause->sender != name_) continue;
      auto& written = written_[record.input];
      written = std::max(written, record.cause->position);
    }
    auto overwritten = guarded.window.take_overwritten();
    if (overwritten.empty()) continue;
    spdlog::warn("{}: {} records of {} had older ones written over them by another process, and are written again", name_,
                 overwritten.size(), fiverate::name_of(overwritten.front().topic));
    counters_.rewritten += static_cast<std::int64_t>(overwritten.size());
    sent_.at(guarded.target).anything = true;
    for (auto& record : overwritten) FIVERATE_TRY(sink_.send(std::move(record)));
  }
  return {};
}

Result<void> Task::check_fingerprint(const InRecord& record) const {
  if (record.timestamp == fingerprint_timestamp_ && fingerprint(record) == fingerprint_hash_) return {};
  return fail(Reaction::stop,
              "{} partition {} has another record at offset {} than the state of {} was built from: the topic was truncated or "
              "made anew. Remove {} to rebuild the state from the log.",
              fiverate::name_of(input_.topic), input_.partition, record.offset, name_, store_.where());
}

bool Task::has(const Cause& said) const {
  if (said.position.offset < 0) return true;  // nothing was said
  const auto known = senders_.find(said.sender);
  return known != senders_.end() && known->second.position >= said.position;
}

void Task::note_gap(const InRecord& record) {
  ++counters_.gaps;
  const auto lacks_up_to = [this](const std::string& sender, CausePosition position) {
    auto& up_to = lacking_[sender];
    up_to = std::max(up_to, position);
  };
  for (const auto& said : record.said) {
    if (!has(said)) lacks_up_to(said.sender, said.position);
  }
  if (record.cause && record.link && !has({record.cause->sender, record.link->previous})) {
    lacks_up_to(record.cause->sender, record.link->previous);
  }
}

std::string Task::lacks() const {
  std::string orders;
  for (const auto& [sender, up_to] : lacking_) {
    const auto known = senders_.find(sender);
    orders += fmt::format("{}{}:{}", orders.empty() ? "" : ",", order_name(sender),
                          std::max<std::int64_t>(0, known == senders_.end() ? 0 : known->second.position.offset));
  }
  return orders;
}

Result<Task::Admission> Task::admit(const InRecord& record) const {
  const bool lacks_none = std::ranges::all_of(record.said, [this](const Cause& said) { return has(said); });
  const auto unless_repeated = lacks_none ? Admission::apply : Admission::gap;
  if (!record.cause) return unless_repeated;
  const auto known = senders_.find(record.cause->sender);
  const auto seen = known == senders_.end() ? Place{} : known->second;
  if (record.cause->position <= seen.position) return Admission::repetition;
  if (!record.link) return unless_repeated;
  if (record.link->previous > seen.position) return Admission::gap;
  if (record.link->previous < seen.position || record.link->chain != seen.chain) {
    return fail(Reaction::stop,
                "{} did not repeat itself: at {} its outputs are not those that {} received before. Determinism is broken, "
                "nothing was applied.",
                record.cause->sender, to_text(record.cause->position), name_);
  }
  return unless_repeated;
}

void Task::remember_sender(const InRecord& record) {
  if (!record.cause) return;
  auto& seen = senders_[record.cause->sender];
  seen.position = record.cause->position;
  if (record.link) seen.chain = chained(record.link->chain, record.key, record.value);
  const auto lacking = lacking_.find(record.cause->sender);
  if (lacking != lacking_.end() && seen.position >= lacking->second) lacking_.erase(lacking);
}

Result<void> Task::process(const InRecord& record) {
  if (record.offset < next_offset_) {
    return record.offset == next_offset_ - 1 && next_offset_ == committed_offset_ ? check_fingerprint(record)
                                                                                  : Result<void>{};
  }
  FIVERATE_TRY(check_read());
  if (continuation_ && record.offset >= continuation_->offset()) FIVERATE_TRY(go_on());
  const auto admission = admit(record);
  if (!admission) return tl::make_unexpected(admission.error());
  current_offset_ = record.offset;
  next_index_ = 0;
  switch (*admission) {
    case Admission::apply:
      FIVERATE_TRY(op_.apply(record, *this));
      remember_sender(record);
      break;
    case Admission::repetition: ++counters_.repetitions; break;
    case Admission::gap: note_gap(record); break;
  }
  if (send_error_) return tl::make_unexpected(*send_error_);
  ++counters_.records;
  next_offset_ = record.offset + 1;
  fingerprint_timestamp_ = record.timestamp;
  fingerprint_hash_ = fingerprint(record);
  if (chains_what_it_reads_) read_chain_ = XXH3_64bits_withSeed(&fingerprint_hash_, sizeof fingerprint_hash_, read_chain_);
  FIVERATE_TRY(check_read());
  if (continuation_ && next_offset_ >= continuation_->offset()) return go_on();
  return {};
}

std::string Task::status() const {
  const auto report = op_.report();
  // No blank in it: it stands behind the text of a store that lives in the group's offsets.
  return fmt::format(R"({{"clock_ms":{},"repetitions":{},"gaps":{},"state_bytes":{},"records":{},"quarantined":{}{}{}}})",
                     op_.clock(), counters_.repetitions, counters_.gaps, store_.bytes(), counters_.records,
                     counters_.quarantined, report.empty() ? "" : ",", report);
}

bool Task::is_wanted() const { return !continuation_ || current_offset_ >= continuation_->facts_until(); }

CausePosition Task::next_position() { return {current_offset_, next_index_++}; }

bool Task::is_said(const Input& target, CausePosition position) const {
  if (position.offset < speak_from_) return true;
  const auto written = written_.find(target);
  return written != written_.end() && position <= written->second;
}

void Task::to_task(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value,
                   std::vector<Cause> said) {
  if (continuation_) return;
  auto& target = targets_[{topic, partition}];
  const auto position = next_position();
  const Link link{target.position, target.chain};
  target.chain = chained(target.chain, key, value);
  target.position = position;
  if (is_said({topic, partition}, position)) return;
  send({topic, partition, timestamp, std::move(key), std::move(value), Cause{name_, position}, link, std::nullopt, std::move(said)});
}

void Task::plain(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) {
  if (continuation_) return;
  const auto position = next_position();
  const Input target{topic, partition};
  if (is_said(target, position)) return;
  if (const auto sent = sent_.find(target); sent != sent_.end()) sent->second = {true, position.offset};
  send({topic, partition, timestamp, std::move(key), std::move(value), Cause{name_, position}, std::nullopt});
}

void Task::send(OutRecord record) {
  if (send_error_) return;  // the task is about to be dropped
  ++counters_.outputs;
  if (record.topic == Topic::quarantine) ++counters_.quarantined;
  if (auto sent = sink_.send(std::move(record)); !sent) send_error_ = sent.error();
  failpoint("output.sent");
}

Result<void> Task::commit() {
  CHECK(op_.at_boundary(), name_);
  // A crash before this line: nothing is kept; all since the last commit is folded and sent again, and dropped there.
  failpoint("commit.begin");
  FIVERATE_TRY(sink_.flush());
  failpoint("commit.acked");
  note_results();
  // A crash here: outputs are out, the state is not: the same again.
  TaskState state;
  state.set_task(name_);
  state.set_definition_id(definition_id_);
  state.set_next_offset(next_offset_);
  state.set_last_timestamp(fingerprint_timestamp_);
  state.set_last_hash(fingerprint_hash_);
  state.set_read_chain(read_chain_);
  for (const auto& [sender, seen] : senders_) {
    auto& saved = *state.add_senders();
    saved.set_name(sender);
    saved.set_offset(seen.position.offset);
    saved.set_index(seen.position.index);
    saved.set_chain(seen.chain);
  }
  *state.mutable_targets() = to_state(targets_, next_offset_);
  // A state that travels with the group's offset has no room for all.
  if (!results_.empty()) *state.mutable_results() = store_.group_text() ? results_.newest() : results_.to_state();
  if (continuation_) *state.mutable_continuation() = *continuation_;
  StoreBatch batch;
  op_.save(batch);
  batch.put(std::string(kTaskKey), state.SerializeAsString());
  FIVERATE_TRY(store_.write(batch));
  failpoint("commit.written");
  committed_offset_ = next_offset_;
  note_acknowledged();
  return {};
}

void Task::note_results() {
  if (!is_silent()) results_.confirm(next_offset_);
  for (auto& [target, sent] : sent_) {
    if (!std::exchange(sent.anything, false)) continue;
    const auto last = sink_.acknowledged(target, name_);
    if (!last) continue;
    results_.note(target, {last->end, last->last->position, sent.said, next_offset_});
  }
}

void Task::note_acknowledged() {
  auto acknowledged = std::make_shared<Acknowledged>();
  for (const auto& [target, sent] : targets_) acknowledged->emplace(target, sent.position);
  acknowledged_ = std::move(acknowledged);
}

}  // namespace fiverate
