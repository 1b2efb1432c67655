#include "processors/trade/book/book.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace fiverate {
namespace {

constexpr Millis kAgreeWithin = 7 * kDayMs;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kRateMost = kMost / 64;  // thresholds are multiples of it
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

const Opening& SkuFacts::opening() const {
  static const Opening kNothing;
  return folded ? *folded : kNothing;
}

Day SkuFacts::first_request(Day since) const {
  auto first = kEndOfDays;
  if (folded && folded->requested_on != kNoDay && since == folded->book.zero_since()) first = folded->requested_on;
  for (const auto& request : requests) {
    if (request.day >= since) return std::min(first, request.day);
  }
  return first;
}

std::int64_t Book::level(Day day) const {
  if (anchor_ == kNoDay) return level_;
  const auto fallen = Wide{level_} - Wide{rate_} * (day - anchor_);
  return fallen < 0 ? 0 : static_cast<std::int64_t>(fallen);
}

std::optional<Day> Book::zero_crossing() const {
  if (!accepted_ || rate_ == 0) return std::nullopt;
  const auto days = level_ / rate_ + (level_ % rate_ == 0 ? 0 : 1);
  return days < kEndOfDays - anchor_ ? anchor_ + static_cast<std::int32_t>(days) : kEndOfDays;
}

std::int64_t Book::rate_days() const {
  std::int64_t days = 0;
  for (const auto& pair : pairs_) days += pair.days;
  return days;
}

Book::Delivered Book::delivered_until(Day day) const {
  Delivered sum;
  for (const auto& delivered : delivered_) {
    if (delivered.day < day - kListedDays) continue;
    sum.lines += delivered.lines;
    sum.quantity += delivered.quantity;
  }
  return sum;
}

Day Book::delivered_changes(Day day) const {
  for (const auto& delivered : delivered_) {
    if (const auto too_old = delivered.day + kListedDays + 1; too_old > day) return too_old;
  }
  return kEndOfDays;
}

Book book_until(Day day, const SkuFacts& facts) {
  auto book = facts.opening().book;
  for (const auto& fact : facts.facts) {
    if (fact.day <= day) book.take(fact);
  }
  return book;
}

bool Book::explained(const Fact& count) const {
  if (!accepted_) return true;
  if (Wide{count.quantity} <= Wide{accepted_->quantity} + moved_since_accepted_ + 1) return true;
  return rejected_ && count.time - rejected_time_ <= kAgreeWithin &&
         Wide{count.quantity} <= Wide{rejected_quantity_} + moved_since_rejected_ + 1;
}

bool Book::take(const Fact& fact) {
  if (is_count(fact.kind)) {
    if (!explained(fact)) {
      rejected_ = true;
      rejected_quantity_ = fact.quantity;
      rejected_time_ = fact.time;
      moved_since_rejected_ = 0;
      return false;
    }
    accept(fact);
    return true;
  }

  const bool out = fact.kind == FactKind::out;
  const auto moved = out ? fact.quantity : -fact.quantity;
  moved_since_accepted_ += moved;
  moved_since_rejected_ += moved;
  if (accepted_) {
    const auto before = level(fact.day);
    const auto after = Wide{before} + Wide{moved} * kMillionth;
    level_ = after < 0 ? 0 : narrowed(after);
    anchor_ = fact.day;
  }
  if (out) {
    latest_ = Latest::out;
    latest_day_ = fact.day;
    last_out_day_ = fact.day;
    std::erase_if(delivered_, [&](const DeliveredDay& old) { return old.day < fact.day - kListedDays; });
    if (delivered_.empty() || delivered_.back().day != fact.day) delivered_.push_back({fact.day, 0, 0});
    delivered_.back().quantity += fact.quantity;
    ++delivered_.back().lines;
  }
  return true;
}

void Book::accept(const Fact& count) {
  if (accepted_) {
    const auto difference = Wide{accepted_->quantity} + moved_since_accepted_ - count.quantity;
    const auto sold = difference < 0 ? 0 : narrowed(difference);
    if (!pairs_.empty() && pairs_.back().later == count.day) {  // one entry a day: a shop may be counted all day long
      pairs_.back().sold = narrowed(Wide{pairs_.back().sold} + sold);
      pairs_.back().days += count.day - accepted_->day;
    } else {
      pairs_.push_back({count.day, sold, count.day - accepted_->day});
    }
    std::erase_if(pairs_, [&](const Pair& old) { return old.later < count.day - kListedDays; });
    Wide sold_in_all = 0;
    std::int64_t days = 0;
    for (const auto& pair : pairs_) {
      sold_in_all += pair.sold;
      days += pair.days;
    }
    rate_ = days == 0 ? 0 : std::min(kRateMost, narrowed(sold_in_all * kMillionth / days));
  }
  level_ = narrowed(Wide{count.quantity} * kMillionth);
  anchor_ = count.day;
  // In place: the walks over a book's facts accept many counts, and the memory of the last id serves for the next.
  if (!accepted_) {
    accepted_ = Count{};
    first_accepted_day_ = count.day;
  }
  accepted_->quantity = count.quantity;
  accepted_->time = count.time;
  accepted_->day = count.day;
  accepted_->event = count.document->counted().event;
  moved_since_accepted_ = 0;
  rejected_ = false;

  if (count.quantity == 0 && latest_ != Latest::zero) {
    zero_since_ = count.day;
    delivered_before_zero_ = 0;
    for (const auto& delivered : delivered_) {
      if (delivered.day >= count.day - kListedDays) delivered_before_zero_ += delivered.quantity;
    }
  }
  latest_ = count.quantity == 0 ? Latest::zero : Latest::positive;
  latest_day_ = count.day;
}

void Book::save(BookState& state) const {
  if (accepted_) {
    auto& count = *state.mutable_accepted();
    count.set_quantity(accepted_->quantity);
    count.set_time_ms(accepted_->time);
    count.set_day(accepted_->day.number);
    save_event(accepted_->event, *count.mutable_event());
  }
  state.set_first_accepted_day(first_accepted_day_.number);
  state.set_moved_since_accepted(moved_since_accepted_);
  state.set_rejected(rejected_);
  state.set_rejected_quantity(rejected_quantity_);
  state.set_rejected_time_ms(rejected_time_);
  state.set_moved_since_rejected(moved_since_rejected_);
  state.set_latest(static_cast<std::int32_t>(latest_));
  state.set_latest_day(latest_day_.number);
  state.set_zero_since(zero_since_.number);
  state.set_delivered_before_zero(delivered_before_zero_);
  state.set_last_out_day(last_out_day_.number);
  for (const auto& delivered : delivered_) {
    state.add_delivered_days(delivered.day.number);
    state.add_delivered(delivered.quantity);
    state.add_delivered_lines(delivered.lines);
  }
  state.set_level(level_);
  state.set_anchor(anchor_.number);
  state.set_rate(rate_);
  for (const auto& pair : pairs_) {
    state.add_pair_days(pair.later.number);
    state.add_pair_sold(pair.sold);
    state.add_pair_lengths(pair.days);
  }
}

Book Book::load(const BookState& state) {
  Book book;
  if (state.has_accepted()) {
    const auto& count = state.accepted();
    book.accepted_ = {count.quantity(), count.time_ms(), Day{count.day()}, load_event(count.event())};
  }
  book.first_accepted_day_ = Day{state.first_accepted_day()};
  book.moved_since_accepted_ = state.moved_since_accepted();
  book.rejected_ = state.rejected();
  book.rejected_quantity_ = state.rejected_quantity();
  book.rejected_time_ = state.rejected_time_ms();
  book.moved_since_rejected_ = state.moved_since_rejected();
  book.latest_ = static_cast<Latest>(state.latest());
  book.latest_day_ = Day{state.latest_day()};
  book.zero_since_ = Day{state.zero_since()};
  book.delivered_before_zero_ = state.delivered_before_zero();
  book.last_out_day_ = Day{state.last_out_day()};
  for (int i = 0; i < state.delivered_days_size(); ++i) {
    book.delivered_.push_back({Day{state.delivered_days(i)}, state.delivered(i), state.delivered_lines(i)});
  }
  book.level_ = state.level();
  book.anchor_ = Day{state.anchor()};
  book.rate_ = state.rate();
  for (int i = 0; i < state.pair_days_size(); ++i) {
    book.pairs_.push_back({Day{state.pair_days(i)}, state.pair_sold(i), state.pair_lengths(i)});
  }
  return book;
}

}  // namespace fiverate
