// A published row as JSON lines of the contract, one for each class value and window. The bytes are canonical: two runs, or two
// machines, can be compared with cmp(1).
#pragma once

#include <cstddef>

#include "metrics.pb.h"
#include "schemas/format.h"

namespace fiverate {

// Appends the row's lines, each with its line end, and returns how many. The total of a row with a class dimension is left out,
// because it is the line of the row without one.
std::size_t append_json_lines(const MetricsRow& row, fmt::memory_buffer& out);

}  // namespace fiverate
