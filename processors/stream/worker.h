// The engine: one thread that reads, folds and commits for the tasks that its group gives it.
//
//   poll -> task.process, record by record -> commit if due, only at a boundary -> guard the results
//   -> the stage's heartbeat
//
// An error of a task ends run(); whoever started the worker reacts to it (retry and drop_task: start anew from the stores;
// stop: tell a person).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>

#include "processors/stream/ports.h"
#include "processors/stream/task.h"

namespace fiverate {

// A task with what it owns.
struct Seat {
  std::unique_ptr<Store> store;
  std::unique_ptr<Operator> op;
  std::unique_ptr<Task> task;
};

struct WorkerOptions {
  std::chrono::milliseconds poll_wait{100};
  std::chrono::milliseconds commit_every{500};  // bounds what a crash repeats
  std::int64_t commit_records = 200'000;
};

class Worker {
 public:
  // Makes the task of an input: opens its store, builds its operator. Called when the input is assigned.
  using MakeSeat = std::function<Result<Seat>(const Input&)>;
  // Called after each round and after each commit with the tasks at hand; intake reports its progress here.
  using Heartbeat = std::function<Result<void>(const std::map<Input, Seat>&)>;

  Worker(Source& source, MakeSeat make_seat, WorkerOptions options, Heartbeat heartbeat = {});

  // Until stopped, the source is finished, or an error.
  [[nodiscard]] Result<void> run(const std::stop_token& stop);
  // One round of the loop, for tests that interleave workers by hand. True if there was anything to do.
  [[nodiscard]] Result<bool> round();
  // Commits every task that stands at a boundary.
  [[nodiscard]] Result<void> commit_all();

  [[nodiscard]] const std::map<Input, Seat>& seats() const { return seats_; }

 private:
  Result<std::map<Input, std::int64_t>> take(const std::vector<Input>& inputs);
  void give_up(const std::vector<Input>& inputs);
  Result<void> commit(Task& task);
  [[nodiscard]] bool due(const Task& task) const;

  Source& source_;
  MakeSeat make_seat_;
  WorkerOptions options_;
  Heartbeat heartbeat_;
  std::map<Input, Seat> seats_;
  std::vector<InRecord> records_;
  std::map<Input, std::int64_t> uncommitted_;
  std::chrono::steady_clock::time_point last_commit_ = std::chrono::steady_clock::now();
};

}  // namespace fiverate
