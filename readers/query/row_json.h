// A published row as the lines of the contract: one a class value and window, canonical to the byte, so that two runs or two
// machines can be compared with cmp(1).
#pragma once

#include <span>

#include "metrics.pb.h"
#include "schemas/format.h"

namespace fiverate {

// Of a brand: as in BrandMeasure.
std::span<const std::int64_t> values_of(const MetricsRow::Window& window);

// Appends the row's lines in canonical order, each with its line end. The total of a row with a class dimension stands in the
// row without one, and is left out here.
void append_json_lines(const MetricsRow& row, fmt::memory_buffer& out);

}  // namespace fiverate
