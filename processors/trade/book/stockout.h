// Stockouts of one outlet and SKU (rules R1 and R2), from its facts.
//
// R1 is an interval of fact: from the first accepted count of 0 to the next OUT line or count above 0, or to the end of
// the first day on which the SKU is no longer listed, or to the start of a day on which the outlet is not active. Facts
// of one instant count together: what holds after the last of them. R2 is a forecast, judged at the clock.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "processors/trade/book/book.h"

namespace fiverate {

inline constexpr Millis kOpenEnd = std::numeric_limits<Millis>::max();

// From a day on: is the outlet in the population? (Assignments of outlet_facts.h, places aside.)
struct ActiveFrom {
  Day from;
  bool active;
};
bool active_on(Day day, std::span<const ActiveFrom> activity);

struct Stockout {
  Millis start = 0;  // event time of the count of 0
  Millis end = kOpenEnd;
  EventRef begun_by;
  std::optional<EventRef> ended_by;  // nothing: a midnight ended it, or it is open
};

// All of them that the facts show, by start; the first may have begun in the opening. Ends that lie ahead (the SKU will
// not be listed any more, the outlet will not be active) are there already. `last_book`: the book after the last fact,
// if wanted.
std::vector<Stockout> stockouts(const SkuFacts& facts, std::span<const ActiveFrom> activity,
                                const MarketCalendar& calendar, Book* last_book = nullptr);

// Is the count that the document says of this SKU accepted, by the facts known now?
bool believed(const SkuFacts& facts, const Document& document);

// Folds all facts before `day` into the opening.
void fold_before(SkuFacts& facts, Day day, std::span<const ActiveFrom> activity, const MarketCalendar& calendar);

// R2 at a moment of day `today`: from all facts of days up to it.
struct Prediction {
  bool known = false;  // there is an accepted count
  bool holds = false;
  bool clear = true;
  bool short_confirmed = false;  // the last order line with 1 or more requested
  std::int64_t level = 0;        // at the end of today, millionths
  std::int64_t rate = 0;         // a day, millionths
  EventRef last_count;           // if known
};
Prediction predict(const SkuFacts& facts, const Book& last_book, Day today, bool active);

// The next midnight at whose 00:00 the prediction can come out otherwise than on `today`, if nothing new comes.
std::optional<Day> prediction_changes(const SkuFacts& facts, const Book& last_book, Day today, bool firing,
                                      std::span<const ActiveFrom> activity);

}  // namespace fiverate
