// Overstock of one outlet and SKU (rule R5): more than 45 days of supply by the book, and more than a shop of its kind
// would order twice. Judged at each 00:00 for the day that ended, from the facts of days up to it; 7 days in a row to fire,
// 7 to resolve. On days on which the outlet is not active it resolves, and runs start anew.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "processors/trade/book/stockout.h"
#include "processors/trade/rules/clocked_rule.h"

namespace fiverate {

// What has been said of it, and for which days.
struct OverstockAlert {
  Clocked state;
  Day asked = kNoDay;  // the last day that was judged
};

// One day of it.
struct OverstockDay {
  RuleVerdict verdict;
  bool stops = false;       // the outlet is not active at the 00:00 at which it is asked
  std::int64_t level = 0;   // millionths, at the end of the day
  std::int64_t threshold = 0;  // the level above which it holds
  std::optional<EventRef> last_count;
};
OverstockDay overstock_on(Day day, const Book& book, std::span<const ActiveFrom> activity);

// Judges all days up to `through` that have not been, and tells each transition with the day that it was asked for.
using SayOverstock = std::function<void(Transition::State, const Clocked&, Day, const OverstockDay&)>;
void pass_overstock(const SkuFacts& facts, const Book& last_book, std::span<const ActiveFrom> activity,
                    const MarketCalendar& calendar, Day through, OverstockAlert& alert, const SayOverstock& say);

// The day at whose end something will be said, if nothing new comes. Days up to `alert.asked` have been judged.
std::optional<Day> overstock_says(const SkuFacts& facts, const Book& last_book, std::span<const ActiveFrom> activity,
                                  const MarketCalendar& calendar, const OverstockAlert& alert);

}  // namespace fiverate
