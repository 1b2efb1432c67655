// Copies of tasks that other processes own: the same fold, with outputs suppressed, never beyond the owner's last checkpoint. When such a
// task comes to this process, its copy takes over: there is no state to open and nothing to read but the last moments.
//
//   keep             a task that goes to another process continues here as a copy
//   follow_all_but   which tasks to copy: called whenever tasks were assigned or revoked
//   round            opens one missing copy and reads on; part of each round of the worker
//   release          hands the copy over, if it is fit to take over
//
// A copy that fails (a damaged store, another definition) is dropped with a warning; the work of the process continues without it.
// Belongs to its worker's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "processors/stream/report.h"
#include "processors/stream/task_context.h"

namespace fiverate {

class Standby {
 public:
  // Reads fixed partitions from these offsets on, outside of any group.
  using OpenReader = std::function<Result<std::unique_ptr<Source>>(const std::map<Input, std::int64_t>& from)>;
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  static constexpr std::size_t kBufferedMax =
      20'000;  // records read ahead of the owners' checkpoints, of all copies together

  struct Parts {
    OpenReader open_reader;
    CheckpointReader& checkpoints;
    TaskName task_name;
    MakeTask make_task;
    std::vector<Input> eligible;  // the inputs of all tasks, sorted
    Report report = ignore_report;
    Now now = std::chrono::steady_clock::now;
  };
  // At most `copies_max` tasks of other processes are copied.
  Standby(Parts parts, int copies_max, std::chrono::milliseconds commit_every)
      : parts_(std::move(parts)), copies_max_(static_cast<std::size_t>(copies_max)), commit_every_(commit_every) {}

  void keep(const Input& input, TaskContext context);
  void follow_all_but(const std::set<Input>& ours);
  // `group` knows the owners' committed positions. True if anything was read.
  bool round(Source& group);
  // Nothing: there is no copy, or it is ahead of the checkpoint, or the task was reset; then only the store is right.
  std::optional<TaskContext> release(const Input& input, const std::optional<Checkpoint>& checkpoint);

  [[nodiscard]] const Tasks& copies() const { return copies_; }
  // Records between a copy and its owner's last known checkpoint. Nothing: unknown.
  [[nodiscard]] std::optional<std::int64_t> behind(const Input& input) const;

 private:
  void open(const Input& input, Source& group);
  Result<void> open_reader(Source& group);
  void read(Source& group);
  Result<void> read_checkpoints(Source& group);
  void on_checkpoint(const Checkpoint& checkpoint);
  void stop_reading_fullest();
  void drop(const Input& input, const Error& error);
  void close_reader();
  Result<void> process(const Input& input, TaskContext& copy, std::int64_t until);

  Parts parts_;
  std::size_t copies_max_;
  std::chrono::milliseconds commit_every_;

  Tasks copies_;
  std::vector<Input> chosen_;
  std::map<Input, std::chrono::steady_clock::time_point>
      not_before_;                        // another process has the store open: tried again then
  std::set<Input> failed_;                // dropped; not opened again until this process owned the task
  std::map<Input, std::int64_t> owners_;  // by task: the offset of the owner's last known checkpoint
  // Not read until the owner's checkpoint has moved from this offset: their records had filled the buffer.
  std::map<Input, std::int64_t> stalled_;
  std::unique_ptr<Source> reader_;
  std::unique_ptr<Source> checkpoint_reader_;  // from the log end on: open() finds what was written before
  std::map<Input, std::deque<InRecord>> buffered_;
  std::size_t buffered_count_ = 0;
  std::chrono::steady_clock::time_point saved_{};
  std::chrono::steady_clock::time_point opened_{};
  std::chrono::steady_clock::time_point checkpoints_opened_{};
};

}  // namespace fiverate
