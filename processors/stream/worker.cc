#include "processors/stream/worker.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "processors/stream/continuation.h"
#include "processors/stream/failpoint.h"

namespace fiverate {
namespace {

constexpr std::chrono::milliseconds kGroupAnswersWithin{10'000};  // before anything can begin
constexpr std::chrono::milliseconds kAskedAgainWithin{500};        // others are at work meanwhile
// Who catches up in silence changes the same records again and again, and nobody waits for a commit.
constexpr int kSilentCommitsRarer = 10;

}  // namespace

Worker::Worker(Source& source, MakeSeat make_seat, WorkerOptions options, Heartbeat heartbeat, Standby* standby)
    : source_(source),
      make_seat_(std::move(make_seat)),
      options_(options),
      heartbeat_(std::move(heartbeat)),
      standby_(standby) {
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
    if (due(task)) FIVERATE_TRY(commit({&task}));
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - last_silent_commit_ >= options_.commit_every * kSilentCommitsRarer) {
    FIVERATE_TRY(commit_all());
  } else if (now - last_commit_ >= options_.commit_every) {
    FIVERATE_TRY(commit_those([](const Task& task) { return !task.is_silent(); }));
  }
  for (const auto& [input, seat] : seats_) FIVERATE_TRY(seat.task->guard_results());
  if (heartbeat_) FIVERATE_TRY(heartbeat_(seats_));
  const bool copied = standby_ != nullptr && standby_->round(source_);
  return copied || !records_.empty();
}

bool Worker::due(const Task& task) const {
  if (!task.at_boundary()) return false;
  const auto count = uncommitted_.find(task.input());
  const auto records = task.is_silent() ? options_.silent_commit_records : options_.commit_records;
  return overdue_.contains(task.input()) || (count != uncommitted_.end() && count->second >= records);
}

// As many as fit with one question to the group: with many partitions each would cost a way there and back. (The broker keeps what one
// question brings in one batch of its own topic, of 1 MiB by default.)
Result<void> Worker::commit(const std::vector<Task*>& tasks) {
  constexpr std::size_t kTextMax = 256 << 10;
  std::map<Input, Committed> positions;
  std::size_t text_bytes = 0;
  const auto tell_group = [&]() -> Result<void> {
    if (positions.empty()) return {};
    FIVERATE_TRY(source_.commit(positions));
    for (std::size_t i = 0; i < positions.size(); ++i) failpoint("commit.done");
    positions.clear();
    text_bytes = 0;
    return {};
  };
  for (auto* task : tasks) {
    FIVERATE_TRY(task->commit());
    // A crash here: the state is ahead of the group's offset, which only says how far we are; the state's own counts.
    uncommitted_[task->input()] = 0;
    overdue_.erase(task->input());
    untold_.erase(task->input());
    if (task->is_silent()) continue;  // the group stands further ahead
    const auto kept = seats_.at(task->input()).store->group_text();
    if (kept) failpoint("intake.appended");
    auto text = kept ? *kept : task->continuation_text();
    if (!text.empty()) text += ' ';
    text += task->status();
    text_bytes += text.size();
    positions[task->input()] = {task->next_offset(), std::move(text)};
    if (text_bytes >= kTextMax) FIVERATE_TRY(tell_group());
  }
  return tell_group();
}

Result<void> Worker::commit_all() {
  last_silent_commit_ = std::chrono::steady_clock::now();
  return commit_those([](const Task&) { return true; });
}

Result<void> Worker::commit_those(const std::function<bool(const Task&)>& wanted) {
  last_commit_ = std::chrono::steady_clock::now();
  std::vector<Task*> tasks;
  for (auto& [input, seat] : seats_) {
    if (!wanted(*seat.task) || (!seat.task->changed() && !untold_.contains(input))) continue;
    if (!seat.task->at_boundary()) {
      overdue_.insert(input);
    } else {
      tasks.push_back(seat.task.get());
    }
  }
  return commit(tasks);
}

Result<std::map<Input, std::int64_t>> Worker::take(const std::vector<Input>& inputs) {
  std::map<Input, std::int64_t> begin;
  const bool again = !inputs.empty() && std::ranges::all_of(inputs, [this](const Input& input) { return waiting_.contains(input); });
  const auto committed = source_.committed_of(inputs, again ? kAskedAgainWithin : kGroupAnswersWithin);
  if (!committed && again && committed.error().reaction == Reaction::retry) return begin;  // not yet
  if (!committed) return tl::make_unexpected(committed.error());
  for (const auto& input : inputs) {
    const auto found = committed->find(input);
    const auto known = found == committed->end() ? std::nullopt : std::optional(found->second);
    auto seat = seat_of(input, known);
    if (!seat && seat.error().reaction == Reaction::wait) {
      if (waiting_.insert(input).second) spdlog::warn("{} The task waits for it, the others go on.", seat.error().what);
      continue;
    }
    if (!seat) return tl::make_unexpected(seat.error());
    const auto offset = begin_of(*seat, known);
    if (!offset) return tl::make_unexpected(offset.error());
    begin[input] = *offset;
    waiting_.erase(input);
    // What was written but not told, for the group was lost then: nothing else may come that would make the task commit again.
    if ((known ? known->offset : 0) < seat->task->next_offset()) untold_.insert(input);
    seats_.insert_or_assign(input, std::move(*seat));
  }
  if (!begin.empty() || !again) follow_others();
  return begin;
}

Result<Seat> Worker::seat_of(const Input& input, const std::optional<Committed>& committed) {
  if (standby_ != nullptr) {
    const auto said = committed ? committed->offset : 0;
    // One with an order to speak again was folded in silence, perhaps beyond where it has to begin: its store is opened anew.
    if (auto copy = standby_->release(input, said); copy && !copy->speak_from) {
      spdlog::info("{}: taking over at offset {}, {} records behind", copy->task->name(), copy->task->next_offset(),
                   said - copy->task->next_offset());
      return std::move(*copy);
    }
  }
  auto seat = make_seat_(input);
  if (!seat) return seat;
  FIVERATE_TRY(seat->task->restore());
  failpoint("state.read");
  return seat;
}

void Worker::follow_others() {
  if (standby_ == nullptr) return;
  auto ours = waiting_;
  for (const auto& [input, seat] : seats_) ours.insert(input);
  standby_->follow(ours);
}

// Where to read on, and from where on to speak. What the group committed is said already, and need not be said again by a state that
// is behind it (a lost disk, an older snapshot). The record before the next one is read again, to see that the log still holds it.
Result<std::int64_t> Worker::begin_of(Seat& seat, const std::optional<Committed>& committed) {
  auto& task = *seat.task;
  const auto& input = task.input();
  auto offset = std::max<std::int64_t>(0, task.next_offset() - 1);
  const auto extent = source_.extent(input);
  if (!extent) return tl::make_unexpected(extent.error());
  if (*extent) {
    const auto& [low, high] = **extent;
    if (task.next_offset() < low) {
      return fail(Reaction::stop,
                  "PARTIAL: {} would have to be computed from {} partition {} offset {} on, but this log begins at {}: what was before "
                  "is deleted, and no snapshot reaches it. Put back a snapshot or the log; nothing is computed from a part.",
                  task.name(), name_of(input.topic), input.partition, task.next_offset(), low);
    }
    if (const auto known = std::max(task.next_offset(), committed ? committed->offset : 0); known > high) {
      return fail(Reaction::stop,
                  "{} partition {} ends at offset {}, but {} was read up to {}: the topic was truncated or made anew. Nothing is "
                  "computed from another log.",
                  name_of(input.topic), input.partition, high, task.name(), known);
    }
    offset = std::max(offset, low);  // the record before the next one may be deleted: then it is not compared
  }
  if (!seat.result_topics.empty()) FIVERATE_TRY(task.read_tails(seat.result_topics));
  task.write_with_others(seat.targets);
  failpoint("tails.read");
  // Also where the group remembers nothing: the task may have been a copy, which says nothing at all.
  const auto said = committed ? committed->offset : 0;
  // What the group has not committed may have been said, or not: it is said, whatever the order.
  task.stay_silent_until(seat.speak_from ? std::min(*seat.speak_from, said) : said);
  const auto continuation = committed ? continuation_in(committed->metadata) : std::nullopt;
  if (seat.speak_from) {
    seat.spoken_until = said;
    if (continuation) task.learn(*continuation);
  } else if (continuation) {
    task.catch_up(*continuation);
  }
  FIVERATE_TRY(task.check_results(seat.speak_from));
  const bool is_new = seat.rebuilt && !committed && !seat.speak_from;
  if (is_new && (!*extent || (*extent)->high > 1)) {  // behind the definition there is something
    FIVERATE_TRY(task.read_last_words(seat.targets));
  }
  spdlog::info("{}: reading {} partition {} from offset {}{}", task.name().substr(0, task.name().find('/')), name_of(input.topic),
               input.partition, offset, task.is_silent() ? "; silent until it is where its group was" : "");
  return offset;
}

void Worker::give_up(const std::vector<Input>& inputs) {
  std::vector<Task*> tasks;
  for (const auto& input : inputs) {
    failpoint("revoke.begin");
    waiting_.erase(input);
    const auto seat = seats_.find(input);
    if (seat != seats_.end() && seat->second.task->at_boundary()) tasks.push_back(seat->second.task.get());
  }
  // The best effort to leave nothing to repeat; the next owner would repeat it rightly.
  const bool committed = commit(tasks).has_value();
  for (const auto& input : inputs) {
    failpoint("revoke.committed");
    const auto seat = seats_.find(input);
    if (seat == seats_.end()) continue;
    // After a failed write what is in memory takes for saved what is not on the disk.
    const bool whole = committed || !seat->second.task->at_boundary();
    if (standby_ != nullptr && whole) standby_->keep(input, std::move(seat->second));
    seats_.erase(seat);
    uncommitted_.erase(input);
    overdue_.erase(input);
    untold_.erase(input);
  }
}

}  // namespace fiverate
