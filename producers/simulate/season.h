// How much is bought on a day, whatever the brand: the year, Spring Festival, the day of the week. And when the trade
// rests. Factors in thousandths (kOne). Years without a known festival have none.
#pragma once

#include <optional>

#include "producers/simulate/random.h"
#include "schemas/time.h"

namespace fiverate {

// Demand of this day against that of an average day. `gift`: bought to be given away, so the festival counts double.
std::int64_t season_factor(Day day, bool gift);
std::int64_t weekday_factor(Day day);
int weekday(Day day);  // 0 = Monday

// New Year's Day of the lunar calendar that is at most 30 days away; nothing: none is near.
std::optional<Day> spring_festival_near(Day day);
// The week of the festival: no orders, no visits. What was ordered before is delivered.
bool trade_rests(Day day);

}  // namespace fiverate
