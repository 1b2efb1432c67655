// Verifies at the start of a task that the log has what the task is going to read, and what it has written.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "processors/stream/task.h"

namespace fiverate {

// The offset from which a task reads its input: the record before its next one is read again, to verify that it is still in the log.
// `owner_offset`: up to where any process has read it. Error: stop: the log was truncated at its beginning or end.
[[nodiscard]] Result<std::int64_t> first_offset(const Task& task, std::int64_t owner_offset, Source& source);

// A sentence for each result partition that ends before the last acknowledged record that the checkpoint names.
[[nodiscard]] std::vector<std::string> missing_results(const Checkpoint& checkpoint,
                                                       const std::map<Input, OffsetRange>& partitions);
// Error: stop: a result partition has lost acknowledged records (an unclean election, a disk of the only broker).
[[nodiscard]] Result<void> verify_results(const Checkpoint& checkpoint, Source& source);

}  // namespace fiverate
