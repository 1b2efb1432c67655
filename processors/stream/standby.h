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

  static constexpr std::size_t kBufferedMax = 20'000;  // records read ahead of the owners, of all copies together

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

  struct Copy {
    TaskContext context;
    std::optional<std::int64_t> owner = {};  // offset of the owner's last known checkpoint: it follows up to there
    bool is_stalled = false;  // its records had filled the buffer of all: not read until the owner's checkpoint moves
    std::deque<InRecord> buffered = {};

    // Records up to the owner's last known checkpoint. Nothing: unknown.
    [[nodiscard]] std::optional<std::int64_t> behind() const;
  };
  [[nodiscard]] const std::map<Input, Copy>& copies() const { return copies_; }

 private:
  using Time = std::chrono::steady_clock::time_point;

  [[nodiscard]] Time opens_at(const Input& input) const;
  void open_next(Source& group);
  Result<Copy> make_copy(const Input& input, const std::optional<Checkpoint>& checkpoint);
  Result<void> open_reader(Source& group);
  void read(Source& group);
  Result<void> read_more(Source& group);
  Result<void> read_checkpoints(Source& group);
  void on_checkpoint(const Checkpoint& checkpoint);
  [[nodiscard]] std::size_t buffered_records() const;
  void stop_reading_fullest();
  void drop(Input input, const Error& error);
  void close_reader();
  Result<bool> process(Copy& copy, bool save);

  Parts parts_;
  std::size_t copies_max_;
  std::chrono::milliseconds commit_every_;

  std::map<Input, Copy> copies_;
  std::vector<Input> chosen_;
  std::map<Input, Time> not_before_;  // not opened before; Time::max(): it failed, and this process has to own it first
  std::unique_ptr<Source> reader_;
  std::unique_ptr<Source> checkpoint_reader_;  // from the log end on: open_next() finds what was written before
  Time saved_{};
  Time opened_{};
  Time checkpoints_opened_{};
};

}  // namespace fiverate
