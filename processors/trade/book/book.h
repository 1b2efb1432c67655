// The stock book of one outlet and SKU: how much the shop should have, by what it received, returned and counted.
//
//   order of facts   event time; at one instant OUT, RETURN, declared stock, visit count; then document id as bytes
//   acceptance       A count is accepted if it is the first, or at most 1 unit above the last accepted count and the
//                    movements since then. It is also accepted if the last count was rejected at most 7 days before and
//                    the new one is at most 1 unit above that count and the movements since then: two counts agree. The
//                    rejected one stays rejected.
//   rate             units sold a day, over the pairs of consecutive accepted counts of the last 90 days
//   level            the last accepted count, falling by the rate, raised by OUT, lowered by RETURN, never below 0
//
// A book is a function of the set of facts. Facts older than kMemoryDays are folded into an opening (sku_facts.h).
// Quantities are in units (packs), levels in millionths of a unit, rates in millionths of a unit a day. Days are market
// days of event times. Formulas: docs/rules.md.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "processors/trade/base/units.h"
#include "processors/trade/book/document.h"

namespace fiverate {

inline constexpr std::int32_t kListedDays = 90;   // An SKU is listed on so many days after its last OUT unit,
inline constexpr std::int32_t kChronicDays = 56;  // unless it is out for longer than this and was not ordered since.
inline constexpr std::int32_t kUnknownAfterDays = 56;  // Without OUT or count for so long, its stock is unknown.

enum class FactKind : std::uint8_t { out = 0, returned = 1, declared = 2, counted = 3 };
constexpr bool is_count(FactKind kind) {
  return kind >= FactKind::declared;
}

struct Fact {
  Millis time;  // event time
  Day day;
  FactKind kind;
  std::int64_t quantity;     // OUT and RETURN: 1 or more
  const Document* document;  // the document whose counted revision holds the fact
};
bool operator<(const Fact& a, const Fact& b);

// An order line that requests 1 unit or more.
struct Request {
  Millis time;  // event time
  Day day;
  bool short_confirmed;  // less than 80 % of it was confirmed
  const Document* document;
};
bool operator<(const Request& a, const Request& b);

class Book {
 public:
  // The kind of the latest fact among OUT lines of 1 or more and accepted counts.
  enum class Latest : std::uint8_t { none, out, zero, positive };
  struct Count {
    std::int64_t quantity = 0;
    Millis time = 0;
    Day day;
    EventRef event;
  };
  struct Pair {  // of consecutive accepted counts; those with their later count on one day are one entry
    Day later;
    std::int64_t sold;
    std::int32_t days;
  };
  struct DeliveredDay {
    Day day;
    std::int64_t quantity;
    std::int64_t lines;
  };
  // Everything that a book remembers, for those who store it.
  struct State {
    std::optional<Count> accepted;  // the last accepted count
    Day first_accepted_day = kNoDay;
    std::int64_t moved_since_accepted = 0;  // OUT - RETURN
    bool rejected = false;                  // The latest count was rejected; the next three fields describe it.
    std::int64_t rejected_quantity = 0;
    Millis rejected_time = 0;
    std::int64_t moved_since_rejected = 0;

    Latest latest = Latest::none;
    Day latest_day = kNoDay;
    Day zero_since = kNoDay;
    std::int64_t delivered_before_zero = 0;
    Day last_out_day = kNoDay;
    std::vector<DeliveredDay> delivered;  // OUT lines of the last 90 days before the last OUT line, ascending

    std::int64_t level = 0;  // at the end of the anchor day
    Day anchor = kNoDay;
    std::int64_t rate = 0;
    std::vector<Pair> pairs;  // of the last 90 days before the last accepted count
  };

  Book() = default;
  explicit Book(State state) : state_(std::move(state)) {}
  [[nodiscard]] const State& state() const { return state_; }

  // Applies the next fact in order. Returns false for a count that is not accepted.
  bool apply(const Fact& fact);

  [[nodiscard]] const std::optional<Count>& accepted() const { return state_.accepted; }  // the last accepted count
  [[nodiscard]] Latest latest() const { return state_.latest; }
  [[nodiscard]] Day latest_day() const { return state_.latest_day; }
  [[nodiscard]] Day last_out_day() const { return state_.last_out_day; }  // kNoDay: there was none
  [[nodiscard]] Day anchor() const { return state_.anchor; }  // the day of the last fact that changed the level
  [[nodiscard]] std::int64_t rate() const { return state_.rate; }
  // The level at the end of a day that is not before the last fact's; 0 before the first accepted count.
  [[nodiscard]] std::int64_t level(Day day) const;

  // The day on which the level reaches 0 if no further fact comes; nullopt if it does not fall.
  [[nodiscard]] std::optional<Day> zero_crossing() const;

  [[nodiscard]] Day first_accepted_day() const { return state_.first_accepted_day; }  // kNoDay: none yet
  // The sum of the days between the pairs of counts behind the rate.
  [[nodiscard]] std::int64_t rate_days() const;
  // OUT lines of 1 or more with a day in [day - 90, day], for a day that is not before the last fact's.
  struct Delivered {
    std::int64_t lines = 0;
    std::int64_t quantity = 0;
  };
  [[nodiscard]] Delivered delivered_until(Day day) const;
  // The first day after `day` on which one of these lines is older than 90 days; kEndOfDays if there is none.
  [[nodiscard]] Day delivered_changes(Day day) const;

  // While the latest fact is a count of 0: the day of the first such count, and the units delivered in the 90 days
  // before it.
  [[nodiscard]] Day zero_since() const { return state_.zero_since; }
  [[nodiscard]] std::int64_t delivered_before_zero() const { return state_.delivered_before_zero; }

 private:
  [[nodiscard]] bool is_acceptable(const Fact& count) const;
  void accept(const Fact& count);

  State state_;
};

}  // namespace fiverate
