// The demand of a day that all brands share: season of the year, Spring Festival, day of the week; and the days of rest. Factors
// are in thousandths (kOne). A year whose festival is not in the table has no festival.
#pragma once

#include <optional>

#include "producers/simulate/random.h"
#include "schemas/time.h"

namespace fiverate {

// The demand of this day relative to an average day. A `gift` SKU has twice the effect of the festival.
std::int64_t season_factor(Day day, bool gift);
std::int64_t weekday_factor(Day day);
int weekday(Day day);  // 0 = Monday

// The lunar New Year's Day that is at most 30 days away; nothing if there is none.
std::optional<Day> spring_festival_near(Day day);
// The week of the festival has no orders and no visits. Earlier orders are delivered.
bool trade_rests(Day day);

}  // namespace fiverate
