// A seal as a line of seals.jsonl, canonical to the byte. Chains in 16 hex digits, sums in 32.
#pragma once

#include <vector>

#include "schemas/format.h"
#include "seals.pb.h"

namespace fiverate {

// Appends one line with its line end.
void append_json_line(const Seal& seal, fmt::memory_buffer& out);

// By stage, partition, day.
void sort_canonically(std::vector<Seal>& seals);

}  // namespace fiverate
