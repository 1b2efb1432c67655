// The states of one SKU at one outlet, day by day: bought, on the shelf, in or out of stock, its level. The timeline is
// a function of the SKU's facts; all measures of stock are derived from it.
#pragma once

#include <cstdint>
#include <vector>

#include "processors/trade/base/intervals.h"
#include "processors/trade/book/book.h"

namespace fiverate {

struct Opening;
class SkuFacts;

// An OUT line or a count above 0 puts an SKU on the shelf for so many days.
inline constexpr std::int32_t kOnShelfDays = 28;

struct SkuTimeline {
  // The stock level from a day on. It falls by the rate until the next one begins. In millionths of a unit (a day).
  struct Level {
    Interval days;
    std::int64_t level;  // at the end of days.from
    std::int64_t rate;
    Day dry;  // the first day on which nothing is left; kEndOfDays if the level does not fall
    friend bool operator==(const Level&, const Level&) = default;
  };
  // An accepted count, with the units delivered and returned before it.
  struct Count {
    Day day;
    std::int64_t quantity;
    std::int64_t delivered_before;
    std::int64_t returned_before;
    friend bool operator==(const Count&, const Count&) = default;
  };
  // The number of accepted visit counts of one day on which the SKU is listed, and of those that are 0.
  struct ListedCounts {
    Day day;
    std::int64_t counts;
    std::int64_t zeros;
    friend bool operator==(const ListedCounts&, const ListedCounts&) = default;
  };

  std::vector<Day> bought;     // days with an OUT line of 1 or more; ascending, each once
  std::vector<Day> requested;  // days with an order line of 1 or more; ascending, each once
  Intervals on_shelf;          // The latest OUT line or accepted count is at most 27 days old, and not a count of 0.
  // The state at the end of each day (docs/rules.md). On days in none of these sets the SKU is NOT_LISTED.
  Intervals in, out, unknown;
  Intervals estimated_out;  // days of `in` on which the level of the book is 0
  std::vector<Level> levels;
  std::vector<Count> counts;  // in order; of each day the first and the last one
  std::vector<ListedCounts> listed_counts;

  friend bool operator==(const SkuTimeline&, const SkuTimeline&) = default;
};
SkuTimeline timeline_of(const SkuFacts& facts);
// Its days of purchases and of requests alone.
std::vector<Day> bought_days(const SkuFacts& facts);
std::vector<Day> requested_days(const SkuFacts& facts);

// The walk over the facts that makes the timeline. A copy of it is a checkpoint (sku_facts.h).
class TimelineWalk {
 public:
  explicit TimelineWalk(const Opening& opening);
  // Applies the next fact in order. `facts` are all facts of the SKU; the walk looks for requests in them.
  void apply(const Fact& fact, const SkuFacts& facts);
  // The timeline, if no further fact comes.
  [[nodiscard]] SkuTimeline end(const SkuFacts& facts) &&;

 private:
  void add_count(const Fact& fact);
  void end_day(Day next, const SkuFacts& facts);
  void add_days(Interval days, const SkuFacts& facts);
  void add_listed_days(Interval days, Intervals& known);

  Book book_;
  Day day_;  // of the last fact; kNoDay: there was none
  SkuTimeline timeline_;
  std::int64_t delivered_ = 0;
  std::int64_t returned_ = 0;
  std::int64_t counts_today_ = 0;
  std::int64_t zeros_today_ = 0;
};

// The units available and sold between the first and the last accepted count in the window that ends on a day.
struct SellThrough {
  Interval days;
  std::int64_t available;
  std::int64_t sold;
  friend bool operator==(const SellThrough&, const SellThrough&) = default;
};
// `window` is one of kWindows. Days with fewer than two counts in their window are left out.
std::vector<SellThrough> sell_through_of(const std::vector<SkuTimeline::Count>& counts, std::int32_t window);

}  // namespace fiverate
