#include "processors/runtime/reset.h"

#include <algorithm>

#include "processors/stream/log_check.h"

namespace fiverate {
namespace {

// The one with the highest offset that fulfils a condition; nothing: none does.
template <typename Condition>
const Checkpoint* newest(const std::vector<Checkpoint>& checkpoints, Condition condition) {
  const Checkpoint* found = nullptr;
  for (const auto& checkpoint : checkpoints) {
    if (condition(checkpoint) && (found == nullptr || checkpoint.offset() >= found->offset())) found = &checkpoint;
  }
  return found;
}

}  // namespace

Result<Reset> plan_reset(const ResetRequest& request) {
  auto epoch = parse_checkpoint_pointer(request.committed.metadata).reset_epoch;
  for (const auto& checkpoint : request.checkpoints) epoch = std::max(epoch, checkpoint.reset_epoch());
  const auto* last = newest(request.checkpoints, [](const Checkpoint&) { return true; });
  // A checkpoint that a reset wrote names only the results that were left then.
  const auto is_by_task = [](const Checkpoint& checkpoint) { return checkpoint.emit_from() == 0; };
  const auto* last_by_task = newest(request.checkpoints, is_by_task);

  Reset reset;
  reset.published_to =
      std::max(request.committed.offset, last == nullptr ? 0 : std::max(last->offset(), last->emit_from()));
  if (last_by_task != nullptr) reset.missing = missing_results(*last_by_task, request.result_partitions);
  if (request.offset && (*request.offset < 0 || *request.offset > reset.published_to)) {
    return fail(Reaction::stop, "--offset {}: {} has read its input up to offset {} only. Give an offset from 0 to {}.",
                *request.offset, request.task, reset.published_to, reset.published_to);
  }
  if (!request.offset && reset.missing.empty()) {
    return fail(Reaction::stop,
                "The result topics of {} hold all that its last checkpoint names. To publish again all the same, give "
                "--offset N (0 to {}): the offset of its input from which on.",
                request.task, reset.published_to);
  }
  const auto* start = newest(request.checkpoints, [&](const Checkpoint& checkpoint) {
    return request.offset ? checkpoint.offset() <= *request.offset
                          : is_by_task(checkpoint) && missing_results(checkpoint, request.result_partitions).empty();
  });
  if (start != nullptr) reset.checkpoint = *start;
  reset.emit_from = request.offset ? *request.offset : reset.checkpoint.offset();
  reset.checkpoint.set_task(request.task);
  reset.checkpoint.set_definition_id(request.definition_id);
  reset.checkpoint.set_reset_epoch(epoch + 1);
  reset.checkpoint.set_emit_from(reset.emit_from);
  // The task has to start although results are gone; what is still there stays guarded.
  for (auto& result : *reset.checkpoint.mutable_results()) {
    const auto found = request.result_partitions.find({static_cast<Topic>(result.topic()), result.partition()});
    if (found != request.result_partitions.end()) result.set_end(std::min(result.end(), found->second.end));
  }
  reset.checkpoint.clear_status();
  // Decisions about held records stay what they were: with others the outputs would differ.
  reset.checkpoint.clear_source_clock();
  if (last != nullptr && last->has_source_clock()) *reset.checkpoint.mutable_source_clock() = last->source_clock();
  return reset;
}

}  // namespace fiverate
