// One task: one partition of one topic, folded by one operator into one store. A task's outputs are a pure function of its input
// partition, including where they are divided into records; that makes "exactly once" possible without transactions:
//
//   crash, restart           the task resumes at its state's offset and sends again, identically, what it had sent since then;
//                            receivers drop repetitions by their cause (admission.h)
//   two processes at once    the same: of what both send, one copy is a repetition
//   a lost internal record   the receiver finds that the predecessor is missing and applies nothing until the sender repeats it
//   determinism broken       the chained hash differs at the next record: the receiver stops
//   a foreign record         it is skipped and counted, also when the log is replayed
//
// The state is never ahead of what was sent: a commit (commit.h) waits for the acknowledgements before it writes state and offset in one
// batch, and sends the checkpoint after that. A task whose state is older than its checkpoint replays its state alone up to there (outputs
// disabled, or computed and not published), installs the checkpoint's output chains and continues. Belongs to its worker's thread.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/admission.h"
#include "processors/stream/checkpoint.h"
#include "processors/stream/input_position.h"
#include "processors/stream/operator.h"
#include "processors/stream/outputs.h"
#include "processors/stream/ports.h"
#include "state.pb.h"

namespace fiverate {

// Under this key a store holds the task's own part of its state, a TaskState.
inline constexpr std::string_view kTaskKey = "task";

// The TaskState of a store; nothing: nothing was ever committed to it. Error: stop, it is damaged.
[[nodiscard]] Result<std::optional<TaskState>> read_task_state(const Store& store);
// Whether a task may start from this state. Not after a reset to an earlier offset, and not where a state-only replay was interrupted and
// no checkpoint is left to complete it.
[[nodiscard]] bool is_usable(const TaskState& state, const std::optional<Checkpoint>& checkpoint);

struct TaskCounters {
  std::int64_t records = 0;
  std::int64_t repetitions = 0;    // dropped
  std::int64_t sequence_gaps = 0;  // not applied: a predecessor is missing
  std::int64_t foreign = 0;        // skipped since the task was opened; Task::foreign() has all
};

class Task {
 public:
  // `stage`: sender name of the outputs, and identity of the store. Operator, store and sink outlive the task.
  Task(const std::string& stage, Input input, std::string definition_id, Operator& op, Store& store, Sink& sink);
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  // Reads the state. Refuses a store of another task or another definition.
  [[nodiscard]] Result<void> restore();
  // Publishes what is caused from the checkpoint's offset on (or its emit_from); replays up to there, if the state is behind it.
  void resume_from(const Checkpoint& checkpoint);
  // For a standby: publishes nothing until resume_from(), follows the owner's checkpoints.
  void suppress_outputs() { suppress_until_ = std::numeric_limits<std::int64_t>::max(); }
  void follow(const Checkpoint& checkpoint);

  [[nodiscard]] Result<void> process(const InRecord& record);
  [[nodiscard]] bool at_boundary() const { return op_.at_boundary(); }
  [[nodiscard]] std::int64_t unsaved_records() const { return unsaved_records_; }
  // Outputs of the next record would not be published.
  [[nodiscard]] bool is_suppressed() const { return next_offset() < suppress_until_; }

  // Writes state and offset in one batch. Only at a boundary, and only when all outputs so far are acknowledged or suppressed.
  [[nodiscard]] Result<void> save();
  // The record of the checkpoint, after save(). Not while suppressed.
  [[nodiscard]] Result<OutRecord> checkpoint() const;

  [[nodiscard]] const Input& input() const { return position_.input(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::int64_t next_offset() const { return position_.next_offset(); }
  [[nodiscard]] std::int64_t reset_epoch() const { return reset_epoch_; }
  [[nodiscard]] const TaskCounters& counters() const { return counters_; }
  // The records that no task has written, up to next_offset(). They are kept in the state.
  [[nodiscard]] const ForeignRecords& foreign() const { return foreign_; }
  // False: there is a sequence gap. missing() names the records.
  [[nodiscard]] bool is_complete() const { return admission_.is_complete(); }
  [[nodiscard]] std::vector<MissingRange> missing() const { return admission_.missing(); }
  void expect(const std::vector<MissingRange>& missing) { admission_.expect(missing); }
  // Up to where the records to other tasks are acknowledged, as of the last save().
  [[nodiscard]] std::shared_ptr<const Outputs::Acknowledged> acknowledged() const { return outputs_.acknowledged(); }

 private:
  [[nodiscard]] bool is_state_only() const { return checkpoint_ && checkpoint_->has_resume(); }
  [[nodiscard]] Result<void> install_checkpoint_at(std::int64_t offset);
  [[nodiscard]] Result<void> admit(const InRecord& record);
  void skip(const InRecord& record, std::string_view reason);
  [[nodiscard]] std::string status() const;

  std::string name_;
  std::string definition_id_;
  Operator& op_;
  Store& store_;
  InputPosition position_;
  InputAdmission admission_;
  Outputs outputs_;
  TaskCounters counters_;
  ForeignRecords foreign_;

  std::int64_t unsaved_records_ = 0;  // processed since the last save()
  std::int64_t reset_epoch_ = 0;
  std::int64_t suppress_until_ = 0;       // outputs that are caused before this offset are not published
  std::optional<Checkpoint> checkpoint_;  // not reached yet
};

}  // namespace fiverate
