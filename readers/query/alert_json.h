// A transition of an alert as the line of the contract, canonical to the byte.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alerts.pb.h"
#include "processors/trade/rules/alert_names.h"
#include "schemas/format.h"
#include "schemas/time.h"

namespace fiverate {

// Appends one line with its line end. Times are in the market's time zone.
void append_json_line(const Transition& transition, const MarketCalendar& calendar, fmt::memory_buffer& out);

// The members alone, without braces: for objects that hold more.
void append_json_fields(const Transition& transition, const MarketCalendar& calendar, fmt::memory_buffer& out);

// By rule, brand, SKU, outlet, region, class, transition: the order of alerts.jsonl. The region of an outlet's rule
// counts as empty.
void sort_canonically(std::vector<Transition>& transitions);

}  // namespace fiverate
