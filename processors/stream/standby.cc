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
  failed_.erase(input);
  if (!std::ranges::binary_search(parts_.eligible, input)) return;
  context.task->suppress_outputs();
  owners_[input] = 0;  // unknown until the new owner's first checkpoint
  copies_.insert_or_assign(input, std::move(context));
}

// Begins behind our own partitions, so that processes with neighbouring partitions copy different ones.
void Standby::follow_all_but(const std::set<Input>& ours) {
  chosen_.clear();
  const auto& eligible = parts_.eligible;
  const auto behind = ours.empty() ? eligible.begin() : std::ranges::upper_bound(eligible, *ours.rbegin());
  const auto choose = [&](auto from, auto to) {
    for (auto at = from; at != to && chosen_.size() < copies_max_; ++at) {
      if (!ours.contains(*at) && !failed_.contains(*at)) chosen_.push_back(*at);
    }
  };
  choose(behind, eligible.end());
  choose(eligible.begin(), behind);
  std::erase_if(copies_, [&](const auto& copy) { return std::ranges::find(chosen_, copy.first) == chosen_.end(); });
  close_reader();
}

void Standby::open(const Input& input, Source& group) {
  const auto again_later = [&](std::chrono::milliseconds after) { not_before_[input] = parts_.now() + after; };
  const auto committed = group.committed({input}, kGroupAnswersWithin);
  if (!committed) return again_later(kReopenAfter);
  const auto position = committed->find(input);
  const auto pointer =
      position == committed->end() ? CheckpointPointer{} : parse_checkpoint_pointer(position->second.metadata);
  const auto name = parts_.task_name(input);
  const auto found = parts_.checkpoints.find({{name, pointer}});
  if (!found) return again_later(kReopenAfter);
  const auto known = found->find(name);
  const auto checkpoint = known == found->end() ? std::nullopt : std::optional(known->second);
  auto copy = parts_.make_task(input, checkpoint);
  if (!copy && copy.error().reaction == Reaction::wait) return again_later(kTryLockedStoreAfter);
  if (!copy) return drop(input, copy.error());
  if (const auto restored = copy->task->restore(); !restored) return drop(input, restored.error());
  copy->task->suppress_outputs();
  if (checkpoint) copy->task->follow(*checkpoint);
  parts_.report(Severity::info, fmt::format("{}: standby from offset {}", name, copy->task->next_offset()));
  copies_.insert_or_assign(input, std::move(*copy));
  if (checkpoint) on_checkpoint(*checkpoint);
  close_reader();
}

void Standby::drop(const Input& input, const Error& error) {
  parts_.report(Severity::warning, fmt::format("{}: no standby any more. {}", parts_.task_name(input), error.what));
  copies_.erase(input);
  failed_.insert(input);
  close_reader();
}

// The next round opens another one for the copies at hand.
void Standby::close_reader() {
  reader_.reset();
  buffered_.clear();
  buffered_count_ = 0;
  opened_ = {};
}

bool Standby::round(Source& group) {
  // One copy a round, since the worker's own tasks wait meanwhile.
  const auto missing = std::ranges::find_if(chosen_, [&](const auto& input) {
    const auto locked = not_before_.find(input);
    return !copies_.contains(input) && !failed_.contains(input) &&
           (locked == not_before_.end() || parts_.now() >= locked->second);
  });
  if (chosen_.empty()) return false;
  // Before a copy is opened, so that no checkpoint is missed in between.
  if (const auto done = read_checkpoints(group); !done) {
    parts_.report(Severity::warning, "standby: " + done.error().what);
    checkpoint_reader_.reset();
  }
  if (missing != chosen_.end() && checkpoint_reader_) open(*missing, group);
  if (copies_.empty()) return false;
  read(group);
  bool moved = false;
  std::vector<std::pair<Input, Error>> failures;
  const auto now = parts_.now();
  const bool save = now - saved_ >= commit_every_;
  if (save) saved_ = now;
  for (auto& [input, copy] : copies_) {
    const auto before = copy.task->next_offset();
    const auto owner = owners_.find(input);
    auto done = process(input, copy, owner == owners_.end() ? 0 : owner->second);
    moved |= copy.task->next_offset() != before;
    if (done && save && copy.task->changed() && copy.task->at_boundary()) done = copy.task->commit();
    if (!done) failures.emplace_back(input, done.error());
  }
  for (const auto& [input, error] : failures) drop(input, error);
  if (!moved && buffered_count_ >= kBufferedMax) stop_reading_fullest();
  return moved;
}

Result<void> Standby::open_reader(Source& group) {
  std::map<Input, std::int64_t> from;
  std::vector<Input> truncated;
  for (const auto& [input, copy] : copies_) {
    if (stalled_.contains(input)) continue;
    TRY_VALUE(range, group.offset_range(input));
    if (range && copy.task->next_offset() < range->first) {
      truncated.push_back(input);
    } else {
      from[input] = copy.task->next_offset();
    }
  }
  for (const auto& input : truncated)
    drop(input, {Reaction::stop, "The log begins behind its state, and no snapshot reaches it."});
  if (!truncated.empty() || from.empty()) return {};
  TRY_VALUE(opened, parts_.open_reader(from));
  reader_ = std::move(opened);
  return {};
}

void Standby::read(Source& group) {
  const auto now = parts_.now();
  if (!reader_) {
    if (now - opened_ < kReopenAfter) return;
    opened_ = now;
    if (const auto opened = open_reader(group); !opened)
      parts_.report(Severity::warning, "standby: " + opened.error().what);
    if (!reader_) return;
  }
  if (buffered_count_ >= kBufferedMax) return;
  std::vector<InRecord> records;
  if (const auto polled = reader_->poll(std::chrono::milliseconds{0}, records); !polled) {
    parts_.report(Severity::warning, "standby: " + polled.error().what);
    close_reader();
    opened_ = now;
    return;
  }
  buffered_count_ += records.size();
  for (auto& record : records) buffered_[record.input].push_back(std::move(record));
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
  const auto found =
      std::ranges::find_if(copies_, [&](const auto& copy) { return copy.second.task->name() == checkpoint.task(); });
  if (found == copies_.end()) return;
  const auto& input = found->first;
  auto& task = *found->second.task;
  if (checkpoint.reset_epoch() < task.reset_epoch()) return;  // of a process that has not noticed the reset
  if (checkpoint.reset_epoch() > task.reset_epoch()) {
    // Its state may not be usable: it is opened again, and follows from the earlier offset on.
    owners_.erase(input);
    stalled_.erase(input);
    copies_.erase(found);
    return close_reader();
  }
  task.follow(checkpoint);
  auto& owner = owners_[input];
  owner = std::max(owner, checkpoint.offset());
  const auto stalled = stalled_.find(input);
  if (stalled == stalled_.end() || stalled->second == owner) return;
  stalled_.erase(stalled);
  close_reader();
}

// One owner stands still, and the records behind its checkpoint fill the buffer of all: they are read again when it moves.
void Standby::stop_reading_fullest() {
  const auto fullest = std::ranges::max_element(buffered_, {}, [](const auto& one) { return one.second.size(); });
  if (fullest == buffered_.end()) return;
  stalled_[fullest->first] = owners_[fullest->first];
  close_reader();
}

Result<void> Standby::process(const Input& input, TaskContext& copy, std::int64_t until) {
  auto& records = buffered_[input];
  for (std::size_t count = 0; count < kRecordsPerRound && !records.empty() && records.front().offset < until; ++count) {
    TRY(copy.task->process(records.front()));
    records.pop_front();
    --buffered_count_;
  }
  return {};
}

std::optional<std::int64_t> Standby::behind(const Input& input) const {
  const auto copy = copies_.find(input);
  const auto owner = owners_.find(input);
  if (copy == copies_.end() || owner == owners_.end()) return std::nullopt;
  return std::max<std::int64_t>(0, owner->second - copy->second.task->next_offset());
}

std::optional<TaskContext> Standby::release(const Input& input, const std::optional<Checkpoint>& checkpoint) {
  const auto found = copies_.find(input);
  if (found == copies_.end()) return std::nullopt;
  auto copy = std::move(found->second);
  copies_.erase(found);
  owners_.erase(input);
  // A copy beyond the checkpoint was ours once and was revoked before its outputs were acknowledged.
  if (!checkpoint || copy.task->next_offset() > checkpoint->offset()) return std::nullopt;
  if (copy.task->reset_epoch() < checkpoint->reset_epoch()) return std::nullopt;
  return copy;
}

}  // namespace fiverate
