// Short functions that build events for tests. The caller gives ids and times; all other fields that decode() requires
// are filled in.
//
//   const auto first = nth(0);                              // the first day of most tests
//   delivery("D1", "shop", noon(first), {{"s1", 10}});      // event_id "D1#1", without a revision
//   revised(delivery("D1", "shop", ...), 2);                // event_id "D1#2"
//   cancelled(delivery("D1", "shop", ...), 3);              // ids only
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event.pb.h"
#include "schemas/time.h"

namespace fiverate::test {

const MarketCalendar& shanghai();

Day day(std::string_view date);
Day nth(std::int32_t number);       // 2026-03-01 is the 0th
Millis at(std::string_view local);  // "2026-03-02T12:00:00", in Shanghai
Millis noon(Day day);

using Lines = std::vector<std::pair<std::string, std::int64_t>>;   // SKU, quantity
using Classes = std::vector<std::pair<std::string, std::string>>;  // dimension, value

Event delivery(const std::string& id, const std::string& outlet_id, Millis time, const Lines& lines);
Event returned(const std::string& id, const std::string& outlet_id, Millis time, const Lines& lines);
Event order(const std::string& id, const std::string& outlet_id, Millis time, const Lines& lines = {});
Event visit(const std::string& id, const std::string& outlet_id, Millis time, Visit::Outcome outcome = Visit::DONE);

Event region(const std::string& id, const std::string& parent_id, Region::Level level);
Event sku(const std::string& id, const std::string& brand_id, std::string_view valid_from = "2026-01-01");
Event outlet(const std::string& id, Day valid_from, const std::string& region_id, Outlet::State state = Outlet::ACTIVE,
             const Classes& classes = {});
Event mark(Millis complete_through);

Event with_event_id(Event event, const std::string& event_id);
Event revised(Event event, std::int64_t revision);
Event cancelled(Event event, std::int64_t revision);

}  // namespace fiverate::test
