// The state of a SKU at the end of one day, computed for that day alone. Tests compare it with the timeline
// (sku_timeline.h).
#pragma once

#include "processors/trade/book/sku_facts.h"

namespace fiverate::test {

// The first of these that holds, by the facts of days up to the day.
enum class StockState : std::uint8_t {
  not_listed,  // No OUT unit in the last 90 days, or out for more than 56 days and not ordered since.
  unknown,     // the latest OUT line or accepted count is 56 days old or older
  out,         // the latest of them is a count of 0
  in,
};
inline StockState state_at_end_of(Day day, const SkuFacts& facts) {
  const auto book = book_until(day, facts);
  if (book.last_out_day() < day - kListedDays) return StockState::not_listed;
  const bool out = book.latest() == Book::Latest::zero;
  if (out && day - book.zero_since() > kChronicDays && facts.first_request(book.zero_since()) > day) {
    return StockState::not_listed;
  }
  if (day - book.latest_day() >= kUnknownAfterDays) return StockState::unknown;
  return out ? StockState::out : StockState::in;
}

}  // namespace fiverate::test
