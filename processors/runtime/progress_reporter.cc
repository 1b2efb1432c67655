#include "processors/runtime/progress_reporter.h"

#include <algorithm>
#include <utility>

#include "processors/stream/failpoint.h"
#include "schemas/mark.h"

namespace fiverate {

Result<void> ProgressReporter::report(const Tasks& tasks) {
  for (const auto& input : inputs_) {
    if (tasks.contains(input)) continue;
    progress_.remove(input);
    held_since_.erase(input);
  }
  const auto now = now_();
  const auto before = std::exchange(inputs_, {});
  for (const auto& [input, context] : tasks) {
    inputs_.insert(input);
    if (context.task->unsaved_records() == 0)
      progress_.acknowledge(input, context.op->clock(), context.task->acknowledged());
    if (const auto* guard = context.op->jump_guard()) report_hold(input, *guard);
  }
  if (inputs_ != before) assigned_ = now;
  if (now - marked_ >= kMarkEvery) {
    marked_ = now;
    TRY(write_marks(tasks));
  }
  const auto every = !progress_.changed()         ? std::chrono::milliseconds(kEveryIdle)
                     : now - assigned_ < kAtFirst ? kEveryAtFirst
                                                  : kEvery;
  if (now - reported_ < every) return {};
  const bool all = now - reported_all_ >= kEveryIdle;
  const auto records = progress_.records(all);
  if (records.empty()) return {};
  reported_ = now;
  if (all) reported_all_ = now;
  for (const auto& record : records) {
    TRY(sink_.send(record));
    failpoint("progress.sent");
  }
  return {};
}

// Decisions are in a checkpoint before this is called.
void ProgressReporter::report_hold(const Input& input, const JumpGuard& guard) {
  std::optional<std::int64_t> held;
  if (guard.held()) {
    auto& [offset, since] = held_since_.try_emplace(input, guard.held()->offset, now_()).first->second;
    if (offset != guard.held()->offset) {
      offset = guard.held()->offset;
      since = now_();
    }
    if (now_() - since >= held_for_) held = offset;
  } else {
    held_since_.erase(input);
  }
  progress_.report_hold(input, guard.decided_until(), held);
}

Result<void> ProgressReporter::write_marks(const Tasks& tasks) {
  if (std::ranges::none_of(tasks, [](const auto& task) { return task.second.op->is_live(); })) return {};
  const auto now = wall_clock_();
  const auto value = mark_value(now, true);
  for (const auto& [input, context] : tasks) {
    if (!context.op->is_live()) continue;
    TRY(sink_.send({input.topic, input.partition, now, "", value, std::nullopt, std::nullopt}));
  }
  return {};
}

}  // namespace fiverate
