#include "processors/stream/log_check.h"

#include <algorithm>

#include "processors/stream/sequence_gap.h"
#include "processors/stream/task_context.h"

namespace fiverate {

Result<std::int64_t> first_offset(const Task& task, std::int64_t owner_offset, Source& source) {
  const auto& input = task.input();
  const auto previous = std::max<std::int64_t>(0, task.next_offset() - 1);
  TRY_VALUE(range, source.offset_range(input));
  if (!range) return previous;
  if (task.next_offset() < range->first) {
    return fail(Reaction::stop,
                "PARTIAL: {} has to be computed from {} partition {} offset {} on, but this log begins at {}: earlier "
                "records were deleted, and no snapshot reaches it. Put back a snapshot or the log; nothing is computed "
                "from a part.",
                task.name(), name_of(input.topic), input.partition, task.next_offset(), range->first);
  }
  if (const auto known = std::max(task.next_offset(), owner_offset); known > range->end) {
    return fail(Reaction::stop,
                "{} partition {} ends at offset {}, but {} had read up to {}: the topic was truncated or created "
                "again. Nothing is computed from another log.",
                name_of(input.topic), input.partition, range->end, task.name(), known);
  }
  return std::max(previous, range->first);  // where the previous record was deleted, it is not verified
}

std::vector<std::string> missing_results(const Checkpoint& checkpoint, const std::map<Input, OffsetRange>& partitions) {
  std::vector<std::string> missing;
  for (const auto& result : checkpoint.results()) {
    const Input target{static_cast<Topic>(result.topic()), result.partition()};
    const auto found = partitions.find(target);
    if (found == partitions.end() || found->second.end >= result.end()) continue;
    missing.push_back(fmt::format("{} partition {} ends at offset {}, it was filled up to {}", name_of(target.topic),
                                  target.partition, found->second.end, result.end()));
  }
  return missing;
}

Result<void> verify_results(const Checkpoint& checkpoint, Source& source) {
  std::map<Input, OffsetRange> partitions;
  for (const auto& result : checkpoint.results()) {
    const Input target{static_cast<Topic>(result.topic()), result.partition()};
    TRY_VALUE(range, source.offset_range(target));
    if (range) partitions[target] = *range;
  }
  const auto missing = missing_results(checkpoint, partitions);
  if (missing.empty()) return {};
  return fail(Reaction::stop,
              "Acknowledged results of {} are gone: {}. Was a broker elected that was behind "
              "(unclean.leader.election.enable), or the topic created again? Stop all processes and run `{}`, which "
              "publishes again all that is missing, of other tasks too.",
              checkpoint.task(), fmt::join(missing, "; "), kMendCommand);
}

}  // namespace fiverate
