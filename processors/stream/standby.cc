#include "processors/stream/standby.h"

#include <algorithm>
#include <utility>

namespace fiverate {
namespace {

constexpr std::chrono::seconds kReopenAfter{1};
constexpr std::chrono::milliseconds kTryLockedStoreAfter{200};
constexpr std::chrono::milliseconds kGroupAnswersWithin{500};  // the worker's own tasks wait for it
constexpr std::size_t kRecordsPerRound = 4'000;                // the worker's own tasks come first

}  // namespace

void Standby::keep(const Input& input, TaskContext context) {
  not_before_.erase(input);
  if (!std::ranges::binary_search(parts_.eligible, input)) return;
  context.task->suppress_outputs();
  copies_.insert_or_assign(input, Copy{std::move(context)});
}

// Begins behind our own partitions, so that processes with neighbouring partitions copy different ones.
void Standby::follow_all_but(const std::set<Input>& ours) {
  chosen_.clear();
  const auto& eligible = parts_.eligible;
  const auto behind = ours.empty() ? eligible.begin() : std::ranges::upper_bound(eligible, *ours.rbegin());
  const auto choose = [&](auto from, auto to) {
    for (auto at = from; at != to && chosen_.size() < copies_max_; ++at) {
      if (!ours.contains(*at) && opens_at(*at) != Time::max()) chosen_.push_back(*at);
    }
  };
  choose(behind, eligible.end());
  choose(eligible.begin(), behind);
  std::erase_if(copies_, [&](const auto& copy) { return std::ranges::find(chosen_, copy.first) == chosen_.end(); });
  close_reader();
}

std::optional<TaskContext> Standby::release(const Input& input, const std::optional<Checkpoint>& checkpoint) {
  auto copy = copies_.extract(input);
  if (!copy) return std::nullopt;
  const auto& task = *copy.mapped().context.task;
  // A copy beyond the checkpoint was ours once and was revoked before its outputs were acknowledged.
  if (!checkpoint || task.next_offset() > checkpoint->offset()) return std::nullopt;
  if (task.reset_epoch() < checkpoint->reset_epoch()) return std::nullopt;
  return std::move(copy.mapped().context);
}

Standby::Time Standby::opens_at(const Input& input) const {
  const auto later = not_before_.find(input);
  return later == not_before_.end() ? Time{} : later->second;
}

void Standby::drop(Input input, const Error& error) {
  parts_.report(Severity::warning, fmt::format("{}: no standby any more. {}", parts_.task_name(input), error.what));
  copies_.erase(input);
  not_before_[input] = Time::max();
  close_reader();
}

bool Standby::round(Source& group) {
  if (chosen_.empty()) return false;
  // Before a copy is opened, so that no checkpoint is missed in between.
  if (const auto done = read_checkpoints(group); !done) {
    parts_.report(Severity::warning, "standby: " + done.error().what);
    checkpoint_reader_.reset();
  }
  if (checkpoint_reader_) open_next(group);
  if (copies_.empty()) return false;
  read(group);
  const auto now = parts_.now();
  const bool save = now - saved_ >= commit_every_;
  if (save) saved_ = now;
  bool moved = false;
  for (auto next = copies_.begin(); next != copies_.end();) {
    auto& [input, copy] = *next++;  // drop() removes it
    const auto done = process(copy, save);
    moved |= done.value_or(false);
    if (!done) drop(input, done.error());
  }
  if (!moved && buffered_records() >= kBufferedMax) stop_reading_fullest();
  return moved;
}

// One copy a round, since the worker's own tasks wait meanwhile.
void Standby::open_next(Source& group) {
  const auto now = parts_.now();
  const auto next = std::ranges::find_if(
      chosen_, [&](const auto& input) { return !copies_.contains(input) && now >= opens_at(input); });
  if (next == chosen_.end()) return;
  const auto input = *next;
  const auto name = parts_.task_name(input);
  not_before_[input] = now + kReopenAfter;
  auto committed = group.committed({input}, kGroupAnswersWithin);
  if (!committed) return;
  const auto found = parts_.checkpoints.find({{name, parse_checkpoint_pointer((*committed)[input].metadata)}});
  if (!found) return;
  const auto known = found->find(name);
  auto copy = make_copy(input, known == found->end() ? std::nullopt : std::optional(known->second));
  if (!copy && copy.error().reaction == Reaction::wait) {
    not_before_[input] = now + kTryLockedStoreAfter;
  } else if (!copy) {
    drop(input, copy.error());
  } else {
    parts_.report(Severity::info, fmt::format("{}: standby from offset {}", name, copy->context.task->next_offset()));
    copies_.insert_or_assign(input, std::move(*copy));
    close_reader();
  }
}

Result<Standby::Copy> Standby::make_copy(const Input& input, const std::optional<Checkpoint>& checkpoint) {
  TRY_VALUE(context, parts_.make_task(input, checkpoint));
  TRY(context.task->restore());
  context.task->suppress_outputs();
  Copy copy{std::move(context)};
  if (checkpoint) {
    copy.context.task->follow(*checkpoint);
    copy.owner = checkpoint->offset();
  }
  return copy;
}

Result<bool> Standby::process(Copy& copy, bool save) {
  auto& task = *copy.context.task;
  auto& records = copy.buffered;
  std::size_t count = 0;
  for (; count < kRecordsPerRound && !records.empty() && records.front().offset < copy.owner.value_or(0); ++count) {
    TRY(task.process(records.front()));
    records.pop_front();
  }
  // Its outputs are suppressed or acknowledged: the owner's checkpoint covers them.
  if (save && task.unsaved_records() > 0 && task.at_boundary()) TRY(task.save());
  return count > 0;
}

Result<void> Standby::read_checkpoints(Source& group) {
  if (!checkpoint_reader_) {
    if (parts_.now() - checkpoints_opened_ < kReopenAfter) return {};
    checkpoints_opened_ = parts_.now();
    TRY_VALUE(range, group.offset_range(kCheckpointsPartition));
    TRY_VALUE(opened, parts_.open_reader({{kCheckpointsPartition, range ? range->end : 0}}));
    checkpoint_reader_ = std::move(opened);
  }
  std::vector<InRecord> records;
  TRY(checkpoint_reader_->poll(std::chrono::milliseconds{0}, records));
  for (const auto& record : records) {
    if (const auto checkpoint = parse_checkpoint(record)) on_checkpoint(*checkpoint);
  }
  return {};
}

void Standby::on_checkpoint(const Checkpoint& checkpoint) {
  const auto found = std::ranges::find_if(
      copies_, [&](const auto& copy) { return copy.second.context.task->name() == checkpoint.task(); });
  if (found == copies_.end()) return;
  auto& copy = found->second;
  auto& task = *copy.context.task;
  if (checkpoint.reset_epoch() < task.reset_epoch()) return;  // of a process that has not noticed the reset
  if (checkpoint.reset_epoch() > task.reset_epoch()) {
    // Its state may not be usable: it is opened again, and follows from the earlier offset on.
    copies_.erase(found);
    return close_reader();
  }
  task.follow(checkpoint);
  if (copy.owner && *copy.owner >= checkpoint.offset()) return;
  copy.owner = checkpoint.offset();
  if (copy.is_stalled) close_reader();
  copy.is_stalled = false;
}

std::optional<std::int64_t> Standby::Copy::behind() const {
  if (!owner) return std::nullopt;
  return std::max<std::int64_t>(0, *owner - context.task->next_offset());
}

void Standby::read(Source& group) {
  const auto now = parts_.now();
  if (reader_ ? buffered_records() >= kBufferedMax : now - opened_ < kReopenAfter) return;
  if (const auto done = read_more(group); !done) {
    parts_.report(Severity::warning, "standby: " + done.error().what);
    close_reader();
    opened_ = now;
  }
}

Result<void> Standby::read_more(Source& group) {
  if (!reader_) {
    opened_ = parts_.now();
    TRY(open_reader(group));
    if (!reader_) return {};
  }
  std::vector<InRecord> records;
  TRY(reader_->poll(std::chrono::milliseconds{0}, records));
  for (auto& record : records) {
    if (const auto copy = copies_.find(record.input); copy != copies_.end())
      copy->second.buffered.push_back(std::move(record));
  }
  return {};
}

Result<void> Standby::open_reader(Source& group) {
  std::map<Input, std::int64_t> from;
  std::vector<Input> truncated;
  for (const auto& [input, copy] : copies_) {
    if (copy.is_stalled) continue;
    TRY_VALUE(range, group.offset_range(input));
    from[input] = copy.context.task->next_offset();
    if (range && from[input] < range->first) truncated.push_back(input);
  }
  for (const auto& input : truncated)
    drop(input, {Reaction::stop, "The log begins behind its state, and no snapshot reaches it."});
  if (!truncated.empty() || from.empty()) return {};
  TRY_VALUE(opened, parts_.open_reader(from));
  reader_ = std::move(opened);
  return {};
}

// The next round opens another one for the copies at hand.
void Standby::close_reader() {
  reader_.reset();
  for (auto& [input, copy] : copies_) copy.buffered.clear();
  opened_ = {};
}

std::size_t Standby::buffered_records() const {
  std::size_t count = 0;
  for (const auto& [input, copy] : copies_) count += copy.buffered.size();
  return count;
}

// One owner stands still, and the records behind its checkpoint fill the buffer of all: they are read again when it moves.
void Standby::stop_reading_fullest() {
  std::ranges::max_element(copies_, {}, [](const auto& copy) {
    return copy.second.buffered.size();
  })->second.is_stalled = true;
  close_reader();
}

}  // namespace fiverate
