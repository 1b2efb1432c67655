#include "processors/trade/book/book.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace fiverate {
namespace {

constexpr Millis kAgreeWithin = 7 * kDayMs;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kRateMost = kMost / 64;  // so that thresholds, which are multiples of a rate, fit into 64 bits
__extension__ using Wide = __int128;

std::int64_t narrowed(Wide value) {
  return value > Wide{kMost} ? kMost : static_cast<std::int64_t>(value);
}

}  // namespace

bool operator<(const Fact& a, const Fact& b) {
  return std::tie(a.time, a.kind, a.document->id) < std::tie(b.time, b.kind, b.document->id);
}

bool operator<(const Request& a, const Request& b) {
  return std::tie(a.time, a.document->id) < std::tie(b.time, b.document->id);
}

std::int64_t Book::level(Day day) const {
  if (state_.anchor == kNoDay) return state_.level;
  const auto fallen = Wide{state_.level} - Wide{state_.rate} * (day - state_.anchor);
  return fallen < 0 ? 0 : static_cast<std::int64_t>(fallen);
}

std::optional<Day> Book::zero_crossing() const {
  if (!state_.accepted || state_.rate == 0) return std::nullopt;
  const auto days = state_.level / state_.rate + (state_.level % state_.rate == 0 ? 0 : 1);
  return days < kEndOfDays - state_.anchor ? state_.anchor + static_cast<std::int32_t>(days) : kEndOfDays;
}

std::int64_t Book::rate_days() const {
  std::int64_t days = 0;
  for (const auto& pair : state_.pairs) days += pair.days;
  return days;
}

Book::Delivered Book::delivered_until(Day day) const {
  Delivered sum;
  for (const auto& delivered : state_.delivered) {
    if (delivered.day < day - kListedDays) continue;
    sum.lines += delivered.lines;
    sum.quantity += delivered.quantity;
  }
  return sum;
}

Day Book::delivered_changes(Day day) const {
  for (const auto& delivered : state_.delivered) {
    if (const auto too_old = delivered.day + kListedDays + 1; too_old > day) return too_old;
  }
  return kEndOfDays;
}

bool Book::is_acceptable(const Fact& count) const {
  if (!state_.accepted) return true;
  if (Wide{count.quantity} <= Wide{state_.accepted->quantity} + state_.moved_since_accepted + 1) return true;
  return state_.rejected && count.time - state_.rejected_time <= kAgreeWithin &&
         Wide{count.quantity} <= Wide{state_.rejected_quantity} + state_.moved_since_rejected + 1;
}

bool Book::apply(const Fact& fact) {
  if (is_count(fact.kind)) {
    if (!is_acceptable(fact)) {
      state_.rejected = true;
      state_.rejected_quantity = fact.quantity;
      state_.rejected_time = fact.time;
      state_.moved_since_rejected = 0;
      return false;
    }
    accept(fact);
    return true;
  }

  const bool out = fact.kind == FactKind::out;
  const auto moved = out ? fact.quantity : -fact.quantity;
  state_.moved_since_accepted += moved;
  state_.moved_since_rejected += moved;
  if (state_.accepted) {
    const auto before = level(fact.day);
    const auto after = Wide{before} + Wide{moved} * kMillionth;
    state_.level = after < 0 ? 0 : narrowed(after);
    state_.anchor = fact.day;
  }
  if (out) {
    state_.latest = Latest::out;
    state_.latest_day = fact.day;
    state_.last_out_day = fact.day;
    std::erase_if(state_.delivered, [&](const DeliveredDay& old) { return old.day < fact.day - kListedDays; });
    if (state_.delivered.empty() || state_.delivered.back().day != fact.day)
      state_.delivered.push_back({fact.day, 0, 0});
    state_.delivered.back().quantity += fact.quantity;
    ++state_.delivered.back().lines;
  }
  return true;
}

void Book::accept(const Fact& count) {
  if (state_.accepted) {
    const auto difference = Wide{state_.accepted->quantity} + state_.moved_since_accepted - count.quantity;
    const auto sold = difference < 0 ? 0 : narrowed(difference);
    if (!state_.pairs.empty() && state_.pairs.back().later == count.day) {  // One entry a day bounds the memory.
      state_.pairs.back().sold = narrowed(Wide{state_.pairs.back().sold} + sold);
      state_.pairs.back().days += count.day - state_.accepted->day;
    } else {
      state_.pairs.push_back({count.day, sold, count.day - state_.accepted->day});
    }
    std::erase_if(state_.pairs, [&](const Pair& old) { return old.later < count.day - kListedDays; });
    Wide sold_in_all = 0;
    std::int64_t days = 0;
    for (const auto& pair : state_.pairs) {
      sold_in_all += pair.sold;
      days += pair.days;
    }
    state_.rate = days == 0 ? 0 : std::min(kRateMost, narrowed(sold_in_all * kMillionth / days));
  }
  state_.level = narrowed(Wide{count.quantity} * kMillionth);
  state_.anchor = count.day;
  // Assigned in place, so that the string of the last event id is reused. A walk over the facts accepts many counts.
  if (!state_.accepted) {
    state_.accepted = Count{};
    state_.first_accepted_day = count.day;
  }
  state_.accepted->quantity = count.quantity;
  state_.accepted->time = count.time;
  state_.accepted->day = count.day;
  state_.accepted->event = count.document->counted().event;
  state_.moved_since_accepted = 0;
  state_.rejected = false;

  if (count.quantity == 0 && state_.latest != Latest::zero) {
    state_.zero_since = count.day;
    state_.delivered_before_zero = 0;
    for (const auto& delivered : state_.delivered) {
      if (delivered.day >= count.day - kListedDays) state_.delivered_before_zero += delivered.quantity;
    }
  }
  state_.latest = count.quantity == 0 ? Latest::zero : Latest::positive;
  state_.latest_day = count.day;
}

}  // namespace fiverate
