// The engine: one thread that reads, folds and commits for the tasks that its group gives it.
//
//   poll -> task.process, record by record -> commit if due, only at a boundary -> guard the results
//   -> the stage's heartbeat -> copies of others' tasks read on (standby.h)
//
// An error of a task ends run(); whoever started the worker reacts to it (retry and drop_task: start anew from the stores;
// stop: tell a person). A task whose store another process still holds (wait) begins when it lets go; the others do not wait for it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <vector>

#include "processors/stream/ports.h"
#include "processors/stream/seat.h"
#include "processors/stream/standby.h"

namespace fiverate {

struct WorkerOptions {
  std::chrono::milliseconds poll_wait{100};
  std::chrono::milliseconds commit_every{500};  // bounds what a crash repeats; silent tasks ten times as rarely
  std::int64_t commit_records = 200'000;
  std::int64_t silent_commit_records = 5'000;  // what is not committed is in memory
};

class Worker {
 public:
  // Called after each round and after each commit with the tasks at hand; intake reports its progress here.
  using Heartbeat = std::function<Result<void>(const std::map<Input, Seat>&)>;

  // `make_seat` is called when an input is assigned, if `standby` has no copy of it. It keeps copies of what others own, if there
  // is one, and outlives the worker.
  Worker(Source& source, MakeSeat make_seat, WorkerOptions options, Heartbeat heartbeat = {}, Standby* standby = nullptr);

  // Until stopped, the source is finished, or an error.
  [[nodiscard]] Result<void> run(const std::stop_token& stop);
  // One round of the loop, for tests that interleave workers by hand. True if there was anything to do.
  [[nodiscard]] Result<bool> round();
  // Commits every task that stands at a boundary; the others at their next one. (A busy outlet task stands at one only right after a
  // cut, and would hardly ever be met there.)
  [[nodiscard]] Result<void> commit_all();

  [[nodiscard]] const std::map<Input, Seat>& seats() const { return seats_; }

 private:
  Result<std::map<Input, std::int64_t>> take(const std::vector<Input>& inputs);
  Result<Seat> seat_of(const Input& input, const std::optional<Committed>& committed);
  Result<std::int64_t> begin_of(Seat& seat, const std::optional<Committed>& committed);
  void follow_others();
  void give_up(const std::vector<Input>& inputs);
  Result<void> commit(const std::vector<Task*>& tasks);
  Result<void> commit_those(const std::function<bool(const Task&)>& wanted);
  [[nodiscard]] bool due(const Task& task) const;

  Source& source_;
  MakeSeat make_seat_;
  WorkerOptions options_;
  Heartbeat heartbeat_;
  Standby* standby_;
  std::map<Input, Seat> seats_;
  std::set<Input> waiting_;  // ours, but another process holds their stores
  std::vector<InRecord> records_;
  std::map<Input, std::int64_t> uncommitted_;
  std::set<Input> overdue_;
  std::set<Input> untold_;  // the group stands behind the state
  std::chrono::steady_clock::time_point last_commit_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_silent_commit_ = last_commit_;
};

}  // namespace fiverate
