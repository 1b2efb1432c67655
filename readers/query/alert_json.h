// A transition of an alert as a JSON object with the fields of the contract. The same transition always gives the same
// bytes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "alerts.pb.h"
#include "processors/trade/rules/alert_names.h"
#include "schemas/format.h"
#include "schemas/time.h"

namespace fiverate {

// Times are in the market's time zone.
nlohmann::ordered_json to_json(const Transition& transition, const MarketCalendar& calendar);

// Appends the object as one line with its line end. Invalid UTF-8 becomes U+FFFD.
void append_json_line(const nlohmann::ordered_json& object, fmt::memory_buffer& out);
void append_json_line(const Transition& transition, const MarketCalendar& calendar, fmt::memory_buffer& out);

// Sorts by rule, brand, SKU, outlet, region, class, source topic, transition: the order of alerts.jsonl. For rules of outlets the region
// is ignored.
void sort_canonically(std::vector<Transition>& transitions);

}  // namespace fiverate
