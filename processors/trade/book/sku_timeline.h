// The states of one SKU at one outlet, day by day: bought, on the shelf, in or out of stock, its level. The timeline is
// a function of the SKU's facts; all measures of stock are derived from it.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <span>
#include <vector>

#include "processors/trade/base/intervals.h"
#include "processors/trade/base/window.h"
#include "processors/trade/book/book.h"

namespace fiverate {

struct Opening;
struct StockoutContext;
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
  using Levels = boost::container::small_vector<Level, 1>;
  Levels levels;
  std::vector<Count> counts;  // in order; of each day the first and the last one
  boost::container::small_vector<ListedCounts, 1> listed_counts;

  friend bool operator==(const SkuTimeline&, const SkuTimeline&) = default;
};

// A purchase decides about no later day than the windows of repeat buying reach.
inline constexpr std::int32_t kDecidingDays = 2 * kLongestWindow;
SkuTimeline timeline_of(const SkuFacts& facts);
// Its days of purchases and of requests alone.
std::vector<Day> bought_days(const SkuFacts& facts);
std::vector<Day> requested_days(const SkuFacts& facts);

// Its days of purchases and of requests alone, without a walk over the facts.
std::vector<Day> bought_days(const SkuFacts& facts);
std::vector<Day> requested_days(const SkuFacts& facts);

// Parts of a timeline.
struct TimelineParts {
  bool states;  // all but the following
  bool bought;
  bool requested;
  bool counts;
  [[nodiscard]] bool any() const { return states || bought || requested || counts; }
};
// These parts of the timeline from `since` on, which must not lie before the last fact. It needs no walk but the kept
// one. Days that decide about no day from `since` on may be missing.
SkuTimeline timeline_since(Day since, const StockoutContext& context, TimelineParts parts);

// The part of a walk over the facts (sku_walk.h) that makes the timeline. `book` is the book after the facts so far;
// `facts` are all facts of the SKU: requests among them decide about days.
class TimelineWalk {
 public:
  explicit TimelineWalk(const Book& opening);
  // Before and after the book applies the next fact. Appends the days up to it to `past` if that is not null.
  void before(const Fact& fact, const Book& book, const SkuFacts& facts, SkuTimeline* past);
  void after(const Fact& fact, bool accepted);
  // Appends the days from the last fact, or from `since` if that is later, as they are if no further fact comes.
  void append_rest(Day since, const Book& book, const SkuFacts& facts, SkuTimeline& timeline) const;

  [[nodiscard]] Day last_day() const { return day_; }  // of the last fact; kNoDay: there was none
  // As in the timeline, up to the last fact.
  [[nodiscard]] const std::vector<SkuTimeline::Count>& counts() const { return counts_; }

 private:
  void add_count(const Fact& fact);
  void append_days(Interval days, const Book& book, const SkuFacts& facts, SkuTimeline& timeline) const;

  Day day_;
  std::vector<SkuTimeline::Count> counts_;
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
std::vector<SellThrough> sell_through_of(std::span<const SkuTimeline::Count> counts, std::int32_t window);
// The same from `since` on.
std::vector<SellThrough> sell_through_since(Day since, std::span<const SkuTimeline::Count> counts, std::int32_t window);

}  // namespace fiverate
