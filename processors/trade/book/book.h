// The book of one outlet and SKU: what the shop should have, from what it received, sent back and counted.
//
//   order of facts   event time; at one instant OUT, RETURN, declared stock, visit count; then document id as bytes
//   acceptance       a count is believed if it is the first, or not above what the last believed one and what came and went
//                    since explain (+ 1 unit), or explained by the rejected count just before it, at most 7 days earlier
//                    (the second agreeing count; the rejected one stays rejected)
//   rate             units sold a day: over the pairs of consecutive accepted counts of the last 90 days
//   level            from the last accepted count, falling by the rate, raised by OUT, lowered by RETURN, never below 0
//
// A function of the set of facts: what is older than kMemoryDays is folded into the opening book (Opening).
// Quantities are in units (packs), levels and rates in millionths of a unit (a day). Days are days of the market.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "processors/trade/book/document.h"
#include "processors/trade/measures/measure.h"
#include "state.pb.h"

namespace fiverate {

inline constexpr std::int32_t kListedDays = 90;        // an SKU is listed so many days after its last OUT unit
inline constexpr std::int32_t kChronicDays = 56;       // out for longer, and not ordered since: not listed either
inline constexpr std::int32_t kUnknownAfterDays = 56;  // without OUT or count

enum class FactKind : std::uint8_t { out = 0, returned = 1, declared = 2, counted = 3 };
constexpr bool is_count(FactKind kind) {
  return kind >= FactKind::declared;
}

struct Fact {
  Millis time;  // event time
  Day day;
  FactKind kind;
  std::int64_t quantity;     // OUT and RETURN: 1 or more
  const Document* document;  // whose counted revision says so
};
bool operator<(const Fact& a, const Fact& b);

// An order line with 1 or more requested.
struct Request {
  Millis time;
  Day day;
  bool short_confirmed;  // less than 80 % of it was confirmed
  const Document* document;
};
bool operator<(const Request& a, const Request& b);

class Book {
 public:
  // What the latest of {OUT line >= 1, accepted count} was.
  enum class Latest : std::uint8_t { none, out, zero, positive };
  struct Count {
    std::int64_t quantity = 0;
    Millis time = 0;
    Day day;
    EventRef event;
  };

  // The next fact in order. False: a count that is not accepted.
  bool take(const Fact& fact);

  [[nodiscard]] const std::optional<Count>& accepted() const { return accepted_; }  // the last one
  [[nodiscard]] Latest latest() const { return latest_; }
  [[nodiscard]] Day latest_day() const { return latest_day_; }
  [[nodiscard]] Day last_out_day() const { return last_out_day_; }  // kNoDay: never
  [[nodiscard]] Day anchor() const { return anchor_; }              // of the level: day of the last fact that moved it
  [[nodiscard]] std::int64_t rate() const { return rate_; }
  // At the end of a day not before the last fact's. 0 before the first accepted count.
  [[nodiscard]] std::int64_t level(Day day) const;

  // The day on which the level reaches 0, if nothing comes; nothing: it does not fall.
  [[nodiscard]] std::optional<Day> zero_crossing() const;

  [[nodiscard]] Day first_accepted_day() const { return first_accepted_day_; }  // kNoDay: none yet
  // Days between the counts that the rate is made of, in sum.
  [[nodiscard]] std::int64_t rate_days() const;
  // OUT lines of 1 or more with a day in [day - 90, day], for a day not before the last fact's.
  struct Delivered {
    std::int64_t lines = 0;
    std::int64_t quantity = 0;
  };
  [[nodiscard]] Delivered delivered_until(Day day) const;
  // The next day after `day` on which one of them is too old; kEndOfDays: none is left.
  [[nodiscard]] Day delivered_changes(Day day) const;

  // While the latest is a count of 0: the first such count, and what was delivered in the 90 days before it.
  [[nodiscard]] Day zero_since() const { return zero_since_; }
  [[nodiscard]] std::int64_t delivered_before_zero() const { return delivered_before_zero_; }

  void save(BookState& state) const;
  static Book load(const BookState& state);

 private:
  struct Pair {
    Day later;
    std::int64_t sold;
    std::int32_t days;
  };
  struct DeliveredDay {
    Day day;
    std::int64_t quantity;
    std::int64_t lines;
  };
  [[nodiscard]] bool explained(const Fact& count) const;
  void accept(const Fact& count);

  std::optional<Count> accepted_;
  Day first_accepted_day_ = kNoDay;
  std::int64_t moved_since_accepted_ = 0;  // OUT - RETURN
  bool rejected_ = false;                  // the latest count was
  std::int64_t rejected_quantity_ = 0;
  Millis rejected_time_ = 0;
  std::int64_t moved_since_rejected_ = 0;

  Latest latest_ = Latest::none;
  Day latest_day_ = kNoDay;
  Day zero_since_ = kNoDay;
  std::int64_t delivered_before_zero_ = 0;
  Day last_out_day_ = kNoDay;
  std::vector<DeliveredDay> delivered_;  // OUT lines of the last 90 days before the last OUT, days ascending

  std::int64_t level_ = 0;
  Day anchor_ = kNoDay;
  std::int64_t rate_ = 0;
  std::vector<Pair> pairs_;  // of the last 90 days before the last accepted count
};

// What is left of facts that are forgotten.
struct Opening {
  Book book;
  std::optional<Millis> out_since;  // start of the stockout that was going on then (stockout.h)
  EventRef out_event;
  Day requested_on = kNoDay;  // the first request since book.zero_since(), if the latest is a count of 0
  bool last_request_short = false;
};

// All that is known of one SKU at an outlet.
struct SkuFacts {
  std::unique_ptr<const Opening> folded;  // everything before `facts`; null: nothing was
  std::vector<Fact> facts;                // in order
  std::vector<Request> requests;  // in order

  [[nodiscard]] const Opening& opening() const;
  // The first day on which 1 or more was requested since a count of 0 on `since`; kEndOfDays: not yet.
  [[nodiscard]] Day first_request(Day since) const;
};

// The book with the facts of days up to `day` alone.
Book book_until(Day day, const SkuFacts& facts);

}  // namespace fiverate
