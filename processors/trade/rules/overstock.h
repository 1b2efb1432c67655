// Overstock of one outlet and SKU (rule R5): by the book, more than 45 days of supply and more than two mean
// deliveries. The rule is evaluated at each 00:00 for the day that ended, from the facts of days up to it. It fires
// after 7 days in a row and resolves after 7 clear ones. On a day after which the outlet is not in the population it
// resolves, and counting starts again. Formulas: docs/rules.md. Levels are in millionths of a unit.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "processors/trade/book/sku_facts.h"
#include "processors/trade/rules/daily_rule.h"

namespace fiverate {

struct OverstockAlert {
  DailyAlert state;
  Day evaluated_through = kNoDay;  // the last day that the rule was evaluated for
};

// The rule on one day.
struct OverstockDay {
  RuleVerdict verdict;
  bool stops = false;                    // The outlet is not in the population at the 00:00 that ends the day.
  std::int64_t level = 0;                // at the end of the day
  std::int64_t threshold = 0;            // the level above which the condition holds
  const EventRef* last_count = nullptr;  // in the book; null: there is none
};
OverstockDay overstock_on(Day day, const Book& book, std::span<const PopulationFrom> population);

// Evaluates the days after `alert.evaluated_through` up to `through`. Calls `publish` for each transition, with its
// day. `last_book` is the book of all facts.
using PublishOverstock = std::function<void(Transition::State, const DailyAlert&, Day, const OverstockDay&)>;
void evaluate_overstock(const SkuFacts& facts, const Book& last_book, std::span<const PopulationFrom> population,
                        const MarketCalendar& calendar, Day through, OverstockAlert& alert,
                        const PublishOverstock& publish);

// The day of the next transition if no further fact comes; nullopt if there is none.
std::optional<Day> next_overstock_transition(const SkuFacts& facts, const Book& last_book,
                                             std::span<const PopulationFrom> population, const MarketCalendar& calendar,
                                             const OverstockAlert& alert);

}  // namespace fiverate
