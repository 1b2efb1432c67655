#include "processors/trade/rules/overstock.h"

#include <algorithm>

namespace fiverate {
namespace {

__extension__ using Wide = __int128;

constexpr RuleRuns kRuns{7, 7};
constexpr std::int64_t kFiresAboveDays = 45;  // of supply
constexpr std::int64_t kClearsAtDays = 35;
constexpr std::int64_t kWarnsAboveDays = 90;
constexpr std::int64_t kRateDaysAtLeast = 14;  // else the rate is not to be trusted
constexpr std::int32_t kCountedFor = 28;       // days since the first accepted count
constexpr std::int64_t kDeliveriesAtLeast = 2;  // mean OUT lines that the stock is worth

// With a rate of 0, any stock lasts longer than any number of days.
bool lasts_longer_than(std::int64_t days, std::int64_t level, std::int64_t rate) {
  return Wide{level} > Wide{days} * rate;
}

// The next day after `day` on which the verdict may be another, by a book without later facts.
Day may_change(Day day, const Book& book, std::span<const ActiveFrom> activity) {
  auto next = kEndOfDays;
  const auto consider = [&](Day candidate) {
    if (candidate > day) next = std::min(next, candidate);
  };
  consider(book.first_accepted_day() + kCountedFor);
  consider(book.delivered_changes(day));
  for (const auto& stretch : activity) {
    if (stretch.from <= kNoDay) continue;
    consider(stretch.from);
    consider(stretch.from - 1);
  }
  if (book.rate() == 0) return next;
  const auto level = book.level(day);
  const auto rate = book.rate();
  const auto falls_in = [&](Wide days) {
    if (days > 0 && days < kEndOfDays - day) consider(day + static_cast<std::int32_t>(days));
  };
  for (const auto supply : {kFiresAboveDays, kClearsAtDays, kWarnsAboveDays}) {
    falls_in((Wide{level} + rate - 1) / rate - supply);
  }
  if (const auto delivered = book.delivered_until(day); delivered.lines > 0) {
    const auto above = Wide{level} * delivered.lines - Wide{kDeliveriesAtLeast} * delivered.quantity * kMillionth;
    if (above >= 0) falls_in(above / (Wide{delivered.lines} * rate) + 1);
  }
  return next;
}

// Walks over the days after `alert.asked`; stops at `through`, after a transition if `once`, or where nothing can change.
// `on` is told of each transition.
template <typename On>
void walk_days(const SkuFacts& facts, const Book& last_book, std::span<const ActiveFrom> activity,
               const MarketCalendar& calendar, Day through, bool once, OverstockAlert& alert, On&& on) {
  auto day = alert.asked;
  if (day == kNoDay) day = last_book.first_accepted_day() - 1;  // nothing to judge before it was counted
  while (day < through) {
    day = day + 1;
    // Facts of later days are not seen yet.
    auto fact = std::find_if(facts.facts.begin(), facts.facts.end(), [&](const Fact& one) { return one.day > day; });
    std::optional<Book> early;
    const auto& book = fact == facts.facts.end() ? last_book : early.emplace(book_until(day, facts));
    const auto today = overstock_on(day, book, activity);
    auto& state = alert.state;

    auto said = Transition::STATE_UNSPECIFIED;
    if (today.stops) {
      state.held = state.cleared = 0;
      if (state.firing) {
        state.firing = false;
        ++state.transitions;
        said = Transition::RESOLVED;
      }
    } else {
      said = ask(state, today.verdict, kRuns, calendar.end_of(day));
    }
    if (said != Transition::STATE_UNSPECIFIED) {
      on(said, day, today);
      if (once) return;
    }
    // Nothing is counted now: on to the day on which that may change.
    if (state.held == 0 && state.cleared == 0 && said == Transition::STATE_UNSPECIFIED) {
      auto next = may_change(day, book, activity);
      if (fact != facts.facts.end()) next = std::min(next, fact->day);
      if (next == kEndOfDays && through == kEndOfDays) return;
      day = std::min(through, next - 1);
    }
  }
}

}  // namespace

OverstockDay overstock_on(Day day, const Book& book, std::span<const ActiveFrom> activity) {
  OverstockDay today;
  today.stops = !active_on(day + 1, activity);
  if (!book.accepted()) return today;
  today.last_count = book.accepted()->event;
  today.level = book.level(day);
  const auto rate = book.rate();
  today.threshold = kFiresAboveDays * rate;
  const auto delivered = book.delivered_until(day);
  today.verdict.holds = active_on(day, activity) && day - book.first_accepted_day() >= kCountedFor &&
                        book.rate_days() >= kRateDaysAtLeast &&
                        lasts_longer_than(kFiresAboveDays, today.level, rate) && delivered.lines >= 1 &&
                        Wide{today.level} * delivered.lines >= Wide{kDeliveriesAtLeast} * delivered.quantity * kMillionth;
  today.verdict.clear = !lasts_longer_than(kClearsAtDays, today.level, rate) || delivered.lines == 0;
  today.verdict.severity =
      lasts_longer_than(kWarnsAboveDays, today.level, rate) ? Transition::WARNING : Transition::INFO;
  return today;
}

void pass_overstock(const SkuFacts& facts, const Book& last_book, std::span<const ActiveFrom> activity,
                    const MarketCalendar& calendar, Day through, OverstockAlert& alert, const SayOverstock& say) {
  if (through <= alert.asked) return;
  if (last_book.accepted() || alert.state.firing) {
    walk_days(facts, last_book, activity, calendar, through, false, alert,
         [&](Transition::State said, Day day, const OverstockDay& today) { say(said, alert.state, day, today); });
  }
  alert.asked = through;
}

std::optional<Day> overstock_says(const SkuFacts& facts, const Book& last_book, std::span<const ActiveFrom> activity,
                                  const MarketCalendar& calendar, const OverstockAlert& alert) {
  if (!last_book.accepted() && !alert.state.firing && alert.state.held == 0) return std::nullopt;
  // A level that is not high enough only falls.
  const auto tomorrow = alert.asked == kNoDay ? last_book.first_accepted_day() : alert.asked + 1;
  const bool all_seen = facts.facts.empty() || facts.facts.back().day <= tomorrow;
  const bool may_fire = last_book.accepted() && last_book.rate_days() >= kRateDaysAtLeast &&
                        lasts_longer_than(kFiresAboveDays, last_book.level(tomorrow), last_book.rate());
  if (!alert.state.firing && alert.state.held == 0 && all_seen && !may_fire) return std::nullopt;
  std::optional<Day> says;
  auto ahead = alert;
  walk_days(facts, last_book, activity, calendar, kEndOfDays, true, ahead,
       [&](Transition::State, Day day, const OverstockDay&) { says = day; });
  return says;
}

}  // namespace fiverate
