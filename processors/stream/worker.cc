#include "processors/stream/worker.h"

#include <algorithm>

#include "processors/stream/failpoint.h"

namespace fiverate {
namespace {

constexpr std::chrono::milliseconds kGroupAnswersWithin{10'000};  // at an assignment
constexpr std::chrono::milliseconds kRetryAnswersWithin{500};     // of a waiting task: the others are at work meanwhile
// A state-only replay changes the same keys again and again, and nobody waits for its commits.
constexpr int kSuppressedCommitsRarer = 10;

}  // namespace

Worker::Worker(Parts parts, WorkerOptions options)
    : parts_(std::move(parts)), options_(options), last_commit_(parts_.now()), last_suppressed_commit_(last_commit_) {
  parts_.source.listen(
      {[this](const auto& inputs) { return on_assigned(inputs); }, [this](const auto& inputs) { on_revoked(inputs); }});
}

Result<bool> Worker::round() {
  records_.clear();
  TRY(parts_.source.poll(options_.poll_wait, records_));
  for (const auto& record : records_) {
    const auto found = tasks_.find(record.input);
    if (found == tasks_.end()) continue;  // revoked after the poll fetched the record
    auto& task = *found->second.task;
    TRY(task.process(record));
    ++uncommitted_[record.input];
    if (is_due(task)) TRY(commit({&task}));
  }
  const auto now = parts_.now();
  if (now - last_suppressed_commit_ >= options_.commit_every * kSuppressedCommitsRarer) {
    TRY(commit_all());
  } else if (now - last_commit_ >= options_.commit_every) {
    TRY(commit_if([](const Task& task) { return !task.is_suppressed(); }));
  }
  if (parts_.heartbeat) TRY(parts_.heartbeat(tasks_));
  const bool copied = parts_.standby != nullptr && parts_.standby->round(parts_.source);
  return copied || !records_.empty();
}

bool Worker::is_due(const Task& task) const {
  if (!task.at_boundary()) return false;
  const auto count = uncommitted_.find(task.input());
  const auto records_max = task.is_suppressed() ? options_.suppressed_commit_records : options_.commit_records;
  return overdue_.contains(task.input()) || (count != uncommitted_.end() && count->second >= records_max);
}

// All tasks in one commit of the group: with many partitions each would cost a round trip.
Result<void> Worker::commit(const std::vector<Task*>& tasks) {
  for (auto* task : tasks) {
    TRY(task->commit());
    uncommitted_[task->input()] = 0;
    overdue_.erase(task->input());
    group_is_behind_.erase(task->input());
  }
  std::map<Input, Committed> positions;
  for (auto* task : tasks) {
    TRY_VALUE(position, task->group_position());
    if (position) positions[task->input()] = std::move(*position);
  }
  if (positions.empty()) return {};
  TRY(parts_.source.commit(positions));
  for (std::size_t i = 0; i < positions.size(); ++i) failpoint("commit.done");
  return {};
}

Result<void> Worker::commit_all() {
  last_suppressed_commit_ = parts_.now();
  return commit_if([](const Task&) { return true; });
}

Result<void> Worker::commit_if(const std::function<bool(const Task&)>& included) {
  last_commit_ = parts_.now();
  std::vector<Task*> due;
  for (auto& [input, context] : tasks_) {
    auto& task = *context.task;
    if (!included(task) || (!task.changed() && !group_is_behind_.contains(input))) continue;
    if (task.at_boundary()) {
      due.push_back(&task);
    } else {
      overdue_.insert(input);
    }
  }
  return commit(due);
}

Result<std::map<Input, std::int64_t>> Worker::on_assigned(const std::vector<Input>& inputs) {
  std::map<Input, std::int64_t> begin;
  const bool again =
      !inputs.empty() && std::ranges::all_of(inputs, [this](const auto& input) { return waiting_.contains(input); });
  auto committed = parts_.source.committed(inputs, again ? kRetryAnswersWithin : kGroupAnswersWithin);
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
    auto& task = *context->task;
    const auto group_offset = (*committed)[input].offset;
    TRY_VALUE(offset, first_offset(task, std::max(group_offset, checkpoint ? checkpoint->offset() : 0)));
    begin[input] = offset;
    waiting_.erase(input);
    if (group_offset < task.next_offset()) group_is_behind_.insert(input);
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
  if (parts_.standby != nullptr) {
    if (auto copy = parts_.standby->release(input, checkpoint)) {
      parts_.report(Severity::info,
                    fmt::format("{}: taking over at offset {}, {} records behind", copy->task->name(),
                                copy->task->next_offset(), checkpoint->offset() - copy->task->next_offset()));
      copy->task->resume_from(*checkpoint);
      TRY(verify_results(*checkpoint));
      return std::move(*copy);
    }
  }
  TRY_VALUE(context, parts_.make_task(input, checkpoint));
  auto& task = *context.task;
  TRY(task.restore());
  failpoint("state.read");
  if (checkpoint) {
    task.resume_from(*checkpoint);
    TRY(verify_results(*checkpoint));
  }
  failpoint("checkpoint.read");
  return std::move(context);
}

void Worker::follow_others() {
  if (parts_.standby == nullptr) return;
  auto ours = waiting_;
  for (const auto& [input, context] : tasks_) ours.insert(input);
  parts_.standby->follow_all_but(ours);
}

// The record before the next one is read again, to verify that it is still in the log.
Result<std::int64_t> Worker::first_offset(const Task& task, std::int64_t owner_offset) const {
  const auto& input = task.input();
  const auto previous = std::max<std::int64_t>(0, task.next_offset() - 1);
  TRY_VALUE(range, parts_.source.offset_range(input));
  if (!range) return previous;
  if (task.next_offset() < range->first) {
    return fail(Reaction::stop,
                "PARTIAL: {} has to be computed from {} partition {} offset {} on, but this log begins at {}: earlier "
                "records were deleted, and no snapshot reaches it. Put back a snapshot or the log; nothing is computed "
                "from a part.",
                task.name(), name_of(input.topic), input.partition, task.next_offset(), range->first);
  }
  if (const auto known = std::max(task.next_offset(), owner_offset); known > range->end) {
    return fail(Reaction::stop,
                "{} partition {} ends at offset {}, but {} had read up to {}: the topic was truncated or created "
                "again. Nothing is computed from another log.",
                name_of(input.topic), input.partition, range->end, task.name(), known);
  }
  return std::max(previous, range->first);  // where the previous record was deleted, it is not verified
}

// A result partition that ends before the last acknowledged record has lost it (an unclean election, a disk of the only broker).
Result<void> Worker::verify_results(const Checkpoint& checkpoint) const {
  std::string lost;
  for (const auto& result : checkpoint.results()) {
    const Input target{static_cast<Topic>(result.topic()), result.partition()};
    TRY_VALUE(range, parts_.source.offset_range(target));
    if (!range || range->end >= result.end()) continue;
    lost += fmt::format("{}{} partition {} ends at offset {} and was filled up to {}", lost.empty() ? "" : ", ",
                        name_of(target.topic), target.partition, range->end, result.end());
  }
  if (lost.empty()) return {};
  return fail(Reaction::stop,
              "Acknowledged results of {} are gone: {}. Was a broker elected that was behind "
              "(unclean.leader.election.enable), or the topic created again? Stop all processes and publish them "
              "again: fiverate tasks reset {}",
              checkpoint.task(), lost, task_argument(checkpoint.task()));
}

void Worker::on_revoked(const std::vector<Input>& inputs) {
  std::vector<Task*> at_boundary;
  for (const auto& input : inputs) {
    failpoint("revoke.begin");
    waiting_.erase(input);
    const auto found = tasks_.find(input);
    if (found != tasks_.end() && found->second.task->at_boundary()) at_boundary.push_back(found->second.task.get());
  }
  // Best effort, so that the next owner has nothing to repeat.
  const bool committed = commit(at_boundary).has_value();
  for (const auto& input : inputs) {
    failpoint("revoke.committed");
    const auto found = tasks_.find(input);
    if (found == tasks_.end()) continue;
    // After a failed write the memory of a task may be ahead of its state: such a task is not kept.
    const bool is_whole = committed || !found->second.task->at_boundary();
    if (parts_.standby != nullptr && is_whole) parts_.standby->keep(input, std::move(found->second));
    tasks_.erase(found);
    uncommitted_.erase(input);
    overdue_.erase(input);
    group_is_behind_.erase(input);
  }
}

}  // namespace fiverate
