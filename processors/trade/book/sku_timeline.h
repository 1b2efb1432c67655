// What one SKU at one outlet was, day by day, by its facts: bought, on the shelf, in or out of stock, how much of it. The
// walk over its book that all measures of stock are made of.
#pragma once

#include <cstdint>
#include <vector>

#include "processors/trade/book/book.h"
#include "processors/trade/measures/intervals.h"

namespace fiverate {

inline constexpr std::int32_t kOnShelfDays = 28;  // after an OUT line or a count above 0

struct SkuTimeline {
  // The level from a day on, falling by the rate until the next one begins; millionths of a unit (a day).
  struct Level {
    Interval days;
    std::int64_t level;  // at the end of days.from
    std::int64_t rate;
    Day dry;  // the first day on which nothing is left; kEndOfDays: it does not fall
    friend bool operator==(const Level&, const Level&) = default;
  };
  // An accepted count, with what came and went before it.
  struct Count {
    Day day;
    std::int64_t quantity;
    std::int64_t delivered_before;
    std::int64_t returned_before;
    friend bool operator==(const Count&, const Count&) = default;
  };
  // Accepted counts of visits to an SKU that is listed.
  struct ListedCounts {
    Day day;
    std::int64_t counts;
    std::int64_t zeros;
    friend bool operator==(const ListedCounts&, const ListedCounts&) = default;
  };

  std::vector<Day> bought;     // days with an OUT line of 1 or more; ascending, each once
  std::vector<Day> requested;  // days with an order line of 1 or more; the same
  Intervals on_shelf;          // the latest OUT line or accepted count is at most 27 days old, and not a count of 0
  // The state at the end of the day (docs/rules.md); on other days NOT_LISTED.
  Intervals in, out, unknown;
  Intervals estimated_out;  // in, but the book says that it has run dry
  std::vector<Level> levels;
  std::vector<Count> counts;  // in order
  std::vector<ListedCounts> listed_counts;

  friend bool operator==(const SkuTimeline&, const SkuTimeline&) = default;
};
SkuTimeline timeline_of(const SkuFacts& facts);

// What was there and what was sold of it, between the first and the last accepted count of the window that ends with a day.
struct SellThrough {
  Interval days;
  std::int64_t available;
  std::int64_t sold;
  friend bool operator==(const SellThrough&, const SellThrough&) = default;
};
// By day, for one of kWindows; days with fewer than two counts in their window are left out.
std::vector<SellThrough> sell_through_of(const std::vector<SkuTimeline::Count>& counts, std::int32_t window);

}  // namespace fiverate
