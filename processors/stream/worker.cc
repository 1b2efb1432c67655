#include "processors/stream/worker.h"

#include <algorithm>

#include "processors/stream/commit.h"
#include "processors/stream/failpoint.h"
#include "processors/stream/log_check.h"

namespace fiverate {
namespace {

constexpr std::chrono::milliseconds kAssignmentWithin{10'000};  // at an assignment
constexpr std::chrono::milliseconds kRetryWithin{500};          // of a waiting task: the others are at work meanwhile

}  // namespace

Worker::Worker(Parts parts, WorkerOptions options)
    : parts_(std::move(parts)), options_(options), last_commit_(parts_.now()) {
  parts_.source.listen(
      {[this](const auto& inputs) { return on_assigned(inputs); }, [this](const auto& inputs) { on_revoked(inputs); }});
}

Result<bool> Worker::round() {
  records_.clear();
  TRY(parts_.source.poll(options_.poll_wait, records_));
  for (const auto& record : records_) TRY(process(record));
  TRY(process_released(true));
  if (parts_.now() - last_commit_ >= options_.commit_every) TRY(commit_all());
  const bool copied = parts_.standby != nullptr && parts_.standby->round(parts_.source);
  return copied || !records_.empty();
}

Result<void> Worker::process(const InRecord& record) {
  const auto found = tasks_.find(record.input);
  if (found == tasks_.end()) return {};  // revoked after the poll fetched the record
  // Decided at once if possible: sources that are read by arrival give the records of other partitions behind it next.
  if (parts_.gate != nullptr && !parts_.gate->admit(found->second, record)) return process_released(false);
  TRY(found->second.task->process(record));
  return is_due(*found->second.task) ? commit({&found->second}) : Result<void>{};
}

// The decisions about held records are acknowledged before these records are processed: a restart has to decide the same.
Result<void> Worker::process_released(bool poll_is_done) {
  if (parts_.gate == nullptr) return {};
  TRY_VALUE(changes, parts_.gate->round(tasks_, poll_is_done));
  std::vector<TaskContext*> to_commit;
  for (const auto& input : changes.to_commit) to_commit.push_back(&tasks_.at(input));
  if (!to_commit.empty()) TRY(commit(to_commit));
  for (const auto& record : changes.released) TRY(process(record));
  return {};
}

bool Worker::is_due(const Task& task) const {
  if (!task.at_boundary()) return false;
  const auto records_max = task.is_suppressed() ? options_.suppressed_commit_records : options_.commit_records;
  return task.unsaved_records() >= records_max || overdue_.contains(task.input());
}

Result<void> Worker::commit(const std::vector<TaskContext*>& tasks) {
  TRY(fiverate::commit(tasks, parts_.sink, parts_.source));
  for (const auto* context : tasks) overdue_.erase(context->task->input());
  return {};
}

Result<void> Worker::commit_all() {
  last_commit_ = parts_.now();
  std::vector<TaskContext*> due;
  for (auto& [input, context] : tasks_) {
    const auto& task = *context.task;
    if (task.is_suppressed()) continue;
    if (task.unsaved_records() == 0 && context.group.offset >= task.next_offset()) continue;
    if (task.at_boundary()) {
      due.push_back(&context);
    } else {
      overdue_.insert(input);
    }
  }
  TRY(commit(due));
  return note_missing(tasks_, parts_.source);
}

Result<std::map<Input, std::int64_t>> Worker::on_assigned(const std::vector<Input>& inputs) {
  std::map<Input, std::int64_t> begin;
  const bool again =
      !inputs.empty() && std::ranges::all_of(inputs, [this](const auto& input) { return waiting_.contains(input); });
  auto committed = parts_.source.committed(inputs, again ? kRetryWithin : kAssignmentWithin);
  if (!committed && again && committed.error().reaction == Reaction::retry) return begin;  // the next poll tries again
  if (!committed) return tl::make_unexpected(committed.error());
  std::map<std::string, CheckpointPointer> pointers;
  for (const auto& input : inputs)
    pointers[parts_.task_name(input)] = parse_checkpoint_pointer((*committed)[input].metadata);
  TRY_VALUE(checkpoints, parts_.checkpoints.find(pointers));
  for (const auto& input : inputs) {
    const auto found = checkpoints.find(parts_.task_name(input));
    const auto checkpoint = found == checkpoints.end() ? std::nullopt : std::optional(found->second);
    auto context = start(input, checkpoint);
    if (!context && context.error().reaction == Reaction::wait) {
      if (waiting_.insert(input).second) {
        parts_.report(Severity::warning, context.error().what + " The task waits for it, the others continue.");
      }
      continue;
    }
    if (!context) return tl::make_unexpected(context.error());
    context->group = (*committed)[input];
    context->task->expect(parse_missing_note(context->group.metadata));
    context->missing_for_long = context->task->missing();
    const auto& task = *context->task;
    const auto owner_offset = std::max(context->group.offset, checkpoint ? checkpoint->offset() : 0);
    TRY_VALUE(offset, first_offset(task, owner_offset, parts_.source));
    begin[input] = offset;
    waiting_.erase(input);
    parts_.report(Severity::info, fmt::format("{}: reading {} partition {} from offset {}{}", task.name(),
                                              name_of(input.topic), input.partition, offset,
                                              task.is_suppressed() ? "; replaying up to its checkpoint first"
                                              : task.next_offset() == 0
                                                  ? "; it has neither state nor checkpoint and publishes all outputs"
                                                  : ""));
    tasks_.insert_or_assign(input, std::move(*context));
  }
  if (!begin.empty() || !again) follow_others();
  return begin;
}

Result<TaskContext> Worker::start(const Input& input, const std::optional<Checkpoint>& checkpoint) {
  auto copy = parts_.standby == nullptr ? std::nullopt : parts_.standby->release(input, checkpoint);
  if (copy) {
    const auto offset = copy->task->next_offset();
    parts_.report(Severity::info, fmt::format("{}: taking over at offset {}, {} records behind", copy->task->name(),
                                              offset, checkpoint->offset() - offset));
  } else {
    TRY_VALUE(made, parts_.make_task(input, checkpoint));
    TRY(made.task->restore());
    copy = std::move(made);
  }
  failpoint("state.read");
  if (checkpoint) {
    copy->task->resume_from(*checkpoint);
    TRY(verify_results(*checkpoint, parts_.source));
  }
  failpoint("checkpoint.read");
  return std::move(*copy);
}

void Worker::follow_others() {
  if (parts_.standby == nullptr) return;
  auto ours = waiting_;
  for (const auto& [input, context] : tasks_) ours.insert(input);
  parts_.standby->follow_all_but(ours);
}

void Worker::on_revoked(const std::vector<Input>& inputs) {
  std::vector<TaskContext*> at_boundary;
  for (const auto& input : inputs) {
    failpoint("revoke.begin");
    waiting_.erase(input);
    if (parts_.gate != nullptr) parts_.gate->forget(input);
    const auto found = tasks_.find(input);
    if (found != tasks_.end() && found->second.task->at_boundary()) at_boundary.push_back(&found->second);
  }
  // Best effort, so that the next owner has nothing to repeat.
  const bool committed = commit(at_boundary).has_value();
  for (const auto& input : inputs) {
    failpoint("revoke.committed");
    auto task = tasks_.extract(input);
    if (!task) continue;
    overdue_.erase(input);
    // After a failed write the memory of a task may be ahead of its state: such a task is not kept.
    const bool is_whole = committed || !task.mapped().task->at_boundary();
    if (parts_.standby != nullptr && is_whole) parts_.standby->keep(input, std::move(task.mapped()));
  }
}

}  // namespace fiverate
