#include "processors/stream/worker.h"

#include "processors/stream/failpoint.h"

namespace fiverate {

Worker::Worker(Source& source, MakeSeat make_seat, WorkerOptions options, Heartbeat heartbeat)
    : source_(source), make_seat_(std::move(make_seat)), options_(options), heartbeat_(std::move(heartbeat)) {
  source_.listen({[this](const auto& inputs) { return take(inputs); }, [this](const auto& inputs) { give_up(inputs); }});
}

Result<void> Worker::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const auto worked = round();
    if (!worked) return tl::make_unexpected(worked.error());
    if (!*worked && source_.finished()) break;
  }
  return commit_all();
}

Result<bool> Worker::round() {
  records_.clear();
  FIVERATE_TRY(source_.poll(options_.poll_wait, records_));
  for (const auto& record : records_) {
    const auto seat = seats_.find(record.input);
    if (seat == seats_.end()) continue;  // revoked while it was on its way
    auto& task = *seat->second.task;
    FIVERATE_TRY(task.process(record));
    ++uncommitted_[record.input];
    if (due(task)) FIVERATE_TRY(commit(task));
  }
  if (std::chrono::steady_clock::now() - last_commit_ >= options_.commit_every) FIVERATE_TRY(commit_all());
  for (const auto& [input, seat] : seats_) FIVERATE_TRY(seat.task->guard_results());
  if (heartbeat_) FIVERATE_TRY(heartbeat_(seats_));
  return !records_.empty();
}

bool Worker::due(const Task& task) const {
  const auto count = uncommitted_.find(task.input());
  return task.at_boundary() && count != uncommitted_.end() && count->second >= options_.commit_records;
}

Result<void> Worker::commit(Task& task) {
  FIVERATE_TRY(task.commit());
  // A crash here: the state is ahead of the group's offset, which only says how far we are; the state's own counts.
  uncommitted_[task.input()] = 0;
  const auto& store = *seats_.at(task.input()).store;
  const auto kept = store.group_text();
  if (kept) failpoint("intake.appended");
  FIVERATE_TRY(source_.commit({{task.input(), {task.next_offset(), kept ? *kept + ' ' + task.status() : task.status()}}}));
  failpoint("commit.done");
  return {};
}

Result<void> Worker::commit_all() {
  last_commit_ = std::chrono::steady_clock::now();
  for (auto& [input, seat] : seats_) {
    if (seat.task->changed() && seat.task->at_boundary()) FIVERATE_TRY(commit(*seat.task));
  }
  return {};
}

Result<std::map<Input, std::int64_t>> Worker::take(const std::vector<Input>& inputs) {
  std::map<Input, std::int64_t> begin;
  for (const auto& input : inputs) {
    auto seat = make_seat_(input);
    if (!seat) return tl::make_unexpected(seat.error());
    const auto offset = seat->task->restore();
    if (!offset) return tl::make_unexpected(offset.error());
    failpoint("state.read");
    begin[input] = *offset;
    seats_.insert_or_assign(input, std::move(*seat));
  }
  return begin;
}

void Worker::give_up(const std::vector<Input>& inputs) {
  for (const auto& input : inputs) {
    failpoint("revoke.begin");
    // The best effort to leave nothing to repeat; the next owner would repeat it rightly.
    if (const auto seat = seats_.find(input); seat != seats_.end() && seat->second.task->at_boundary()) {
      static_cast<void>(commit(*seat->second.task));
    }
    failpoint("revoke.committed");
    seats_.erase(input);
    uncommitted_.erase(input);
  }
}

}  // namespace fiverate
