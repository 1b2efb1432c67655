// Stockouts of one outlet and SKU (rules R1 and R2), from its facts.
//
// R1, confirmed: an interval from the first accepted count of 0 to the first of these: the next OUT line or count above
// 0, the end of the first day on which the SKU is not listed, the start of a day on which the outlet is not in the
// population. Facts of one instant count together: the state after the last of them holds. R2, predicted: a forecast
// from the level and rate of the book, evaluated at the outlet's clock. Formulas: docs/rules.md. Times are event times
// in milliseconds; days are market days.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "processors/trade/book/book.h"

namespace fiverate {

struct Opening;
class SkuFacts;

inline constexpr Millis kOpenEnd = std::numeric_limits<Millis>::max();

// Whether the outlet is in the population, from a day on until the next entry.
struct PopulationFrom {
  Day from;
  bool in_population;
};
bool in_population_on(Day day, std::span<const PopulationFrom> population);

struct Stockout {
  Millis start = 0;  // event time of the count of 0
  Millis end = kOpenEnd;
  EventRef begun_by;
  std::optional<EventRef> ended_by;  // nullopt: a midnight ended it, or it has not ended
};

// What a walk over the facts of an SKU refers to.
struct StockoutContext {
  const SkuFacts& facts;
  std::span<const PopulationFrom> population;
  const MarketCalendar& calendar;
};

// The part of a walk over the facts (sku_walk.h) that finds the stockouts. `book` is the book after the facts so far.
// The facts of an instant count when the walk has passed it. Stockouts that end are appended to `ended` if it is not
// null.
class StockoutWalk {
 public:
  explicit StockoutWalk(const Opening& opening);
  // Before and after the book applies the next fact.
  void before(const Fact& fact, const Book& book, const StockoutContext& context, std::vector<Stockout>* ended);
  void after(const Fact& fact, bool accepted, const Book& book);
  // Call it after the last fact.
  void end_instant(const Book& book, const StockoutContext& context, std::vector<Stockout>* ended);

  [[nodiscard]] const std::optional<Stockout>& open() const { return open_; }
  [[nodiscard]] Millis last_ended() const { return last_ended_; }  // start of the last one that ended; kNever: none
  // The midnight that ends the open stockout if no further fact comes.
  [[nodiscard]] Millis ends_without_facts(const Book& book, const StockoutContext& context) const;

 private:
  struct Instant {
    Millis time;
    Day day;
    bool out;  // after the facts so far
    const Document* begun_by = nullptr;
    const Document* refilled_by = nullptr;
  };
  void end_open(Millis end, std::vector<Stockout>* ended);

  std::optional<Stockout> open_;
  std::optional<Instant> instant_;  // the one of the last fact, until end_instant()
  Millis last_ended_ = kNever;
};

// Returns the stockouts that begin after `after` (kNever: all) by start. The first one may have begun before the facts
// (Opening). An end that lies in the future, because the SKU will not be listed or the outlet leaves the population, is
// already set.
std::vector<Stockout> stockouts(const StockoutContext& context, Millis after = kNever);

// Whether the count of this SKU in the document is accepted, by all facts known now. True if the document has no count.
bool is_count_accepted(const StockoutContext& context, const Document& document);

// Folds all facts of days before `day` into the opening.
void fold_before(SkuFacts& facts, Day day, std::span<const PopulationFrom> population, const MarketCalendar& calendar);

// Rule R2 on day `today`, from the facts of all days up to it. `book` is the book of these days.
struct Prediction {
  bool holds = false;            // The condition to fire holds.
  bool clear = true;             // The condition to resolve holds.
  bool short_confirmed = false;  // of the last order line that requests 1 unit or more
  std::int64_t level = 0;        // at the end of today, in millionths
  std::int64_t rate = 0;         // millionths a day
};
Prediction predict(const SkuFacts& facts, const Book& book, Day today, bool in_population);

// The next day at whose 00:00 the prediction may differ from that of `today` if no further fact comes; nullopt if there
// is none.
std::optional<Day> prediction_changes(const SkuFacts& facts, const Book& book, Day today, bool firing,
                                      std::span<const PopulationFrom> population);

}  // namespace fiverate
