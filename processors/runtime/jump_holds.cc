#include "processors/runtime/jump_holds.h"

#include <algorithm>

namespace fiverate {
namespace {

// As a command names it: "deliveries/3/1234".
std::string position_text(const InRecord& record) {
  return fmt::format("{}/{}/{}", name_of(record.input.topic), record.input.partition, record.offset);
}

}  // namespace

// A copy, since the record shares its memory with all others of its poll.
void JumpHolds::Waiting::add(const InRecord& record) {
  const auto bytes_of = std::make_shared<std::pair<std::string, std::string>>(record.key, record.value);
  auto& copy = records.emplace_back(record);
  copy.key = bytes_of->first;
  copy.value = bytes_of->second;
  copy.owner = bytes_of;
  bytes += copy.key.size() + copy.value.size();
}

bool JumpHolds::admit(const TaskContext& context, const InRecord& record) {
  const auto waiting = waiting_.find(record.input);
  if (waiting != waiting_.end()) {
    waiting->second.add(record);
    return false;
  }
  auto* const guard = context.op->jump_guard();
  // What is read again before the checkpoint was decided then.
  if (guard == nullptr || record.offset < context.task->next_offset() || context.task->is_suppressed()) return true;
  const auto claimed = context.op->claimed_time(record);
  if (guard->verdict(record.offset, claimed, context.op->clock()) != JumpGuard::Verdict::undecided) return true;
  guard->hold({record.offset, claimed});
  waiting_[record.input].add(record);
  return false;
}

void JumpHolds::forget(const Input& input) {
  waiting_.erase(input);
}

Result<RecordGate::Changes> JumpHolds::round(const Tasks& tasks, bool poll_is_done) {
  Changes changes;
  if (waiting_.empty()) return changes;
  TRY(read_others(tasks));
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto& [input, waiting_here] = *at;
    auto& waiting = at->second;
    const auto& context = tasks.at(input);
    const auto claimed = context.op->jump_guard()->held()->claimed;
    const auto& first = waiting.records.front();
    const auto decision = decide(context, waiting, poll_is_done);
    if (decision) {
      context.op->jump_guard()->decide(*decision);
      if (!decision->accepted) {
        parts_.report(
            Severity::warning,
            fmt::format("{}: records from {} up to offset {} are rejected as future: they would have moved "
                        "the clock of their partition to {}.",
                        context.task->name(), position_text(first), decision->to - 1, parts_.time_text(claimed)));
      }
      changes.to_commit.push_back(input);
      std::ranges::move(waiting.records, std::back_inserter(changes.released));
      parts_.source.set_paused(input, false);
      at = waiting_.erase(at);
      continue;
    }
    if (poll_is_done && !waiting.reported) {
      waiting.reported = true;
      changes.to_commit.push_back(input);
      if (context.op->clock() != kNever) {
        parts_.report(
            Severity::warning,
            fmt::format("{}: record {} is held: it would move the clock of its partition from {} to {}. It is accepted "
                        "when another source partition comes as far, and rejected when this partition continues with "
                        "earlier records. To decide now: fiverate quarantine accept {}, or reject.",
                        context.task->name(), position_text(first), parts_.time_text(context.op->clock()),
                        parts_.time_text(claimed), position_text(first)));
      }
    }
    // Each time, since a new assignment ends the pause.
    if (waiting.records.size() >= kRecordsMax || waiting.bytes >= kBytesMax) parts_.source.set_paused(input, true);
    ++at;
  }
  return changes;
}

std::optional<JumpGuard::Decision> JumpHolds::decide(const TaskContext& context, const Waiting& waiting,
                                                     bool poll_is_done) const {
  const auto& first = waiting.records.front();
  const auto held = *context.op->jump_guard()->held();
  const auto only_this = first.offset + 1;
  const auto position = position_text(first);
  for (const auto& [input, clock] : others_) {
    if (const auto ruling = ruling_of(clock, position)) return JumpGuard::Decision{first.offset, only_this, *ruling};
  }
  const auto near = held.claimed - JumpGuard::kTolerance;
  bool is_first = poll_is_done && others_known_;
  for (const auto& [input, clock] : others_) {
    if (input == first.input) continue;
    is_first &= clock.clock_ms() == kNever && !clock.has_held();
    if (clock.clock_ms() != kNever && clock.clock_ms() >= near)
      return JumpGuard::Decision{first.offset, only_this, true};
    if (clock.has_held() && clock.held().claimed_ms() >= near)
      return JumpGuard::Decision{first.offset, only_this, true};
  }
  if (is_first && context.op->clock() == kNever) return JumpGuard::Decision{first.offset, only_this, true};
  for (const auto& later : waiting.records) {
    const auto claimed = context.op->claimed_time(later);
    if (claimed != kNever && claimed < near) return JumpGuard::Decision{first.offset, later.offset, false};
  }
  return std::nullopt;
}

Result<void> JumpHolds::read_others(const Tasks& tasks) {
  std::vector<Input> elsewhere;
  for (const auto& input : parts_.sources) {
    const auto task = tasks.find(input);
    if (task == tasks.end()) {
      elsewhere.push_back(input);
      continue;
    }
    auto& clock = others_[input];
    clock.Clear();
    task->second.op->jump_guard()->save(clock, task->second.op->clock());
  }
  if (elsewhere.empty()) others_known_ = true;
  const auto now = parts_.now();
  if (elsewhere.empty() || (read_at_ && now - *read_at_ < kReadOthersEvery)) return {};
  read_at_ = now;
  others_known_ = false;
  const auto committed = parts_.source.committed(elsewhere, kReadOthersEvery);
  if (!committed && committed.error().reaction == Reaction::retry) return {};  // it is tried again soon
  if (!committed) return tl::make_unexpected(committed.error());
  std::map<std::string, CheckpointPointer> pointers;
  for (const auto& input : elsewhere) {
    const auto found = committed->find(input);
    if (found != committed->end()) pointers[parts_.task_name(input)] = parse_checkpoint_pointer(found->second.metadata);
  }
  TRY_VALUE(checkpoints, parts_.checkpoints.find(pointers));
  for (const auto& input : elsewhere) {
    const auto found = checkpoints.find(parts_.task_name(input));
    others_.erase(input);
    if (found != checkpoints.end() && found->second.has_source_clock()) others_[input] = found->second.source_clock();
  }
  others_known_ = true;
  return {};
}

}  // namespace fiverate
