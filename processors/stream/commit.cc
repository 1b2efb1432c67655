#include "processors/stream/commit.h"

#include "processors/stream/failpoint.h"

namespace fiverate {

Result<void> commit(const std::vector<TaskContext*>& tasks, Sink& sink, Source& group) {
  if (tasks.empty()) return {};
  // A crash here means that nothing is kept: the records since the last commit are folded again, their outputs sent again and dropped by
  // their receivers.
  failpoint("commit.begin");
  TRY(sink.flush());
  // A crash here means the same: the outputs are in the log, the states do not know it.
  failpoint("commit.acked");
  for (const auto* context : tasks) {
    TRY(context->task->save());
    // A crash here means that this state is ahead of its checkpoint and of the group's offset. The state's offset counts.
    failpoint("commit.written");
  }
  std::map<Input, Committed> positions;
  for (const auto* context : tasks) {
    if (context->task->is_suppressed()) continue;
    TRY_VALUE(checkpoint, context->task->checkpoint());
    TRY(sink.send(std::move(checkpoint)));
    positions[context->task->input()] = {};
  }
  if (positions.empty()) return {};
  TRY(sink.flush());
  // A crash here means that the group still points to the checkpoints before. At most the outputs in between are sent again.
  failpoint("checkpoint.acked");
  for (auto* context : tasks) {
    const auto& task = *context->task;
    if (!positions.contains(task.input())) continue;
    const auto end = sink.acknowledged_end(kCheckpointsPartition, task.name());
    const CheckpointPointer pointer{task.reset_epoch(), end.value_or(0) - 1};
    context->group = {task.next_offset(), to_text(pointer) + missing_note(context->missing_for_long)};
    positions[task.input()] = context->group;
  }
  TRY(group.commit(positions));
  // A crash here means that nothing is repeated.
  failpoint("commit.done");
  return {};
}

Result<void> note_missing(Tasks& tasks, Source& group) {
  std::map<Input, Committed> positions;
  for (auto& [input, context] : tasks) {
    const auto note = missing_note(context.missing_for_long);
    if (missing_note_in(context.group.metadata) == note) continue;
    context.group.metadata = to_text(parse_checkpoint_pointer(context.group.metadata)) + note;
    positions[input] = context.group;
  }
  return positions.empty() ? Result<void>{} : group.commit(positions);
}

}  // namespace fiverate
