// What a person sees of the files before `import` and `replay` use them: their contents, and events far away from all others.
#pragma once

#include "cli/commands/context.h"
#include "processors/edge/history.h"

namespace fiverate {

// Prints documents, arrivals and event days of each file.
void print_summaries(const History& history, const MarketCalendar& calendar);
// Prints the first lines that intake will reject.
void print_invalid_lines(const History& history);

struct OutlierLimits {
  std::int32_t days = 0;  // import.outlier_days
  bool accepted = false;  // --yes
};

// Lists up to ten events whose arrivals lie far away from all others (trade/facts/outliers.h), and ends the program unless they are
// accepted. Reference data before the first other event is never one: it moves no clock beyond that event.
// `rejected` begins the message, such as "Import rejected".
void check_outliers(const History& history, const MarketCalendar& calendar, OutlierLimits limits, const char* rejected);

}  // namespace fiverate
