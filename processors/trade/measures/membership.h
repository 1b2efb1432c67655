// The days on which an outlet is one of the distinct outlets of a window, from the days on which it bought (or
// ordered).
#pragma once

#include <cstdint>
#include <span>

#include "processors/trade/base/intervals.h"
#include "processors/trade/base/window.h"

namespace fiverate {

// Returns the days whose window contains one of `days`. `days` ascend, each once; `window` is one of kWindows.
Intervals members_of(std::span<const Day> days, std::int32_t window);
// Returns those of them whose previous window (window.h) contains one of `days` as well.
Intervals repeat_members_of(std::span<const Day> days, std::int32_t window);

}  // namespace fiverate
