#include "processors/stream/task.h"

#include <algorithm>

#include "schemas/check.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

constexpr std::size_t kReasonBytesMax = 200;

tl::unexpected<Error> damaged_state(const Store& store) {
  return fail(Reaction::stop,
              "The state in {} is damaged: remove the folder, it is rebuilt from a snapshot or the log.",
              store.location());
}

}  // namespace

Result<std::optional<TaskState>> read_task_state(const Store& store) {
  TRY_VALUE(saved, store.get(kTaskKey));
  if (!saved) return std::nullopt;
  TaskState state;
  if (!state.ParseFromString(*saved)) return damaged_state(store);
  return state;
}

bool is_usable(const TaskState& state, const std::optional<Checkpoint>& checkpoint) {
  const auto offset = checkpoint ? checkpoint->offset() : 0;
  if (!state.has_outputs() && state.next_offset() >= offset) return false;
  const bool before_reset = checkpoint && state.reset_epoch() < checkpoint->reset_epoch();
  return !before_reset || state.next_offset() <= std::max(offset, checkpoint->emit_from());
}

Task::Task(const std::string& stage, Input input, std::string definition_id, Operator& op, Store& store, Sink& sink)
    : name_(sender_name(stage, input.partition)),
      definition_id_(std::move(definition_id)),
      op_(op),
      store_(store),
      position_(input),
      outputs_(name_, sink) {}

Result<void> Task::restore() {
  TRY_VALUE(state, read_task_state(store_));
  if (state) {
    if (state->task() != name_) {
      return fail(Reaction::stop, "{} holds the state of {}, not of {}.", store_.location(), state->task(), name_);
    }
    if (state->definition_id() != definition_id_) {
      return fail(Reaction::stop,
                  "The state in {} was built with another definition (time zone, windows, lateness, partitions or "
                  "version). Use the configuration that it was built with, or new topics and a new state folder.",
                  store_.location());
    }
    position_.load(*state);
    if (!outputs_.load(state->outputs(), next_offset())) return damaged_state(store_);
    admission_.load(*state);
    foreign_ = state->foreign();
    outputs_.note_acknowledged();
    reset_epoch_ = state->reset_epoch();
  }
  return op_.open(store_);
}

void Task::resume_from(const Checkpoint& checkpoint) {
  follow(checkpoint);
  suppress_until_ = std::max(checkpoint.offset(), checkpoint.emit_from());
  if (checkpoint_) suppress_until_ = std::max(suppress_until_, checkpoint_->offset());
  for (const auto& result : checkpoint.results()) {
    outputs_.expect_result_end({static_cast<Topic>(result.topic()), result.partition()}, result.end());
  }
}

void Task::follow(const Checkpoint& checkpoint) {
  if (auto* guard = op_.jump_guard()) guard->load(checkpoint.source_clock());
  reset_epoch_ = std::max(reset_epoch_, checkpoint.reset_epoch());
  if (checkpoint.offset() > next_offset() && (!checkpoint_ || is_newer(checkpoint, *checkpoint_)))
    checkpoint_ = checkpoint;
}

// All records before the checkpoint's offset are folded: from here on the task is as if it had sent the outputs itself.
Result<void> Task::install_checkpoint_at(std::int64_t offset) {
  if (!checkpoint_ || offset < checkpoint_->offset()) return {};
  TRY(position_.verify(*checkpoint_));
  const auto reached = *std::exchange(checkpoint_, std::nullopt);
  if (!reached.has_resume()) return {};
  if (!outputs_.load(reached.resume().outputs(), reached.offset())) {
    return fail(Reaction::stop, "The checkpoint of {} at offset {} is damaged.", name_, reached.offset());
  }
  return op_.resume(reached.resume().tally());
}

Result<void> Task::process(const InRecord& record) {
  if (record.offset < next_offset()) {
    const bool is_previous = record.offset == next_offset() - 1 && unsaved_records_ == 0;
    return is_previous ? position_.verify_previous(record, store_.location()) : Result<void>{};
  }
  TRY(install_checkpoint_at(record.offset));
  const bool enabled = !is_state_only() || record.offset >= checkpoint_->resume().outputs_from();
  outputs_.begin(record.offset, enabled, record.offset >= suppress_until_);
  if (const auto reason = op_.foreign_reason(record)) {
    skip(record, *reason);
  } else {
    TRY(admit(record));
  }
  ++counters_.records;
  ++unsaved_records_;
  position_.advance(record);
  return install_checkpoint_at(next_offset());
}

// A foreign record is part of the log, so of the fingerprint of what was read; of the state it changes nothing but this count.
void Task::skip(const InRecord& record, std::string_view reason) {
  ++counters_.foreign;
  foreign_.set_count(foreign_.count() + 1);
  foreign_.set_last_offset(record.offset);
  foreign_.set_last_reason(visible(reason.substr(0, kReasonBytesMax)));  // it may quote a header
}

Result<void> Task::admit(const InRecord& record) {
  TRY_VALUE(admission, admission_.check(record, name_));
  switch (admission) {
    case Admission::apply:
      TRY(op_.apply(record, outputs_));
      admission_.applied(record);
      break;
    case Admission::repetition:
      ++counters_.repetitions;
      break;
    case Admission::sequence_gap:
      ++counters_.sequence_gaps;
      admission_.note_sequence_gap(record);
      break;
  }
  if (outputs_.error()) return tl::make_unexpected(*outputs_.error());
  return {};
}

Result<void> Task::save() {
  CHECK(op_.at_boundary(), name_);
  outputs_.note_acknowledged();
  TaskState state;
  state.set_task(name_);
  state.set_definition_id(definition_id_);
  state.set_reset_epoch(reset_epoch_);
  position_.save(state);
  admission_.save(state);
  if (foreign_.count() > 0) *state.mutable_foreign() = foreign_;
  if (!is_state_only()) *state.mutable_outputs() = outputs_.chains(next_offset());
  StoreBatch batch;
  op_.save(batch);
  batch.put(std::string(kTaskKey), state.SerializeAsString());
  TRY(store_.write(batch));
  unsaved_records_ = 0;
  return {};
}

Result<OutRecord> Task::checkpoint() const {
  Checkpoint checkpoint;
  checkpoint.set_task(name_);
  checkpoint.set_definition_id(definition_id_);
  checkpoint.set_reset_epoch(reset_epoch_);
  position_.save(checkpoint);
  if (const auto point = op_.resume_point()) {
    auto& resume = *checkpoint.mutable_resume();
    *resume.mutable_outputs() = outputs_.chains(next_offset());
    resume.set_tally(point->tally);
    resume.set_outputs_from(std::min(point->outputs_from, next_offset()));
  }
  for (const auto& [target, end] : outputs_.result_ends()) {
    auto& result = *checkpoint.add_results();
    result.set_topic(static_cast<int>(target.topic));
    result.set_partition(target.partition);
    result.set_end(end);
  }
  if (store_.lives_in_checkpoint()) {
    TRY(store_.scan("", [&](std::string_view key, std::string_view value) {
      auto& entry = *checkpoint.add_state();
      entry.set_key(std::string(key));
      entry.set_value(std::string(value));
      return true;
    }));
  }
  if (const auto* guard = op_.jump_guard()) guard->save(*checkpoint.mutable_source_clock(), op_.clock());
  checkpoint.set_status(status());
  if (foreign_.count() > 0) *checkpoint.mutable_foreign() = foreign_;
  return checkpoint_record(checkpoint, op_.clock());
}

std::string Task::status() const {
  const auto report = op_.report();
  return fmt::format(R"({{"clock_ms":{},"repetitions":{},"state_bytes":{},"records":{},"quarantined":{}{}{}}})",
                     op_.clock(), counters_.repetitions, store_.bytes(), counters_.records, outputs_.quarantined(),
                     report.empty() ? "" : ",", report);
}

}  // namespace fiverate
