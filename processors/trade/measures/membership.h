// When an outlet belongs to the distinct outlets of a window: by the days on which it did something (bought, ordered).
#pragma once

#include <cstdint>
#include <vector>

#include "processors/trade/measures/intervals.h"
#include "processors/trade/measures/window.h"

namespace fiverate {

// The days whose window holds one of `days` (ascending, each once).
Intervals members_of(const std::vector<Day>& days, std::int32_t window);
// Those of them whose previous window holds one, too.
Intervals repeat_members_of(const std::vector<Day>& days, std::int32_t window);

}  // namespace fiverate
