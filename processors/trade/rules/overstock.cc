#include "processors/trade/rules/overstock.h"

#include <algorithm>

namespace fiverate {
namespace {

__extension__ using Wide = __int128;

constexpr RuleRuns kRuns{7, 7};
constexpr std::int64_t kFiresAboveDays = 45;  // of supply
constexpr std::int64_t kClearsAtDays = 35;
constexpr std::int64_t kWarnsAboveDays = 90;
constexpr std::int64_t kRateDaysAtLeast = 14;   // days of counts behind the rate; fewer do not show it
constexpr std::int32_t kCountedFor = 28;        // days since the first accepted count
constexpr std::int64_t kDeliveriesAtLeast = 2;  // The stock is worth at least so many mean OUT lines.

// With a rate of 0 a stock above 0 lasts longer than any number of days.
bool lasts_longer_than(std::int64_t days, std::int64_t level, std::int64_t rate) {
  return Wide{level} > Wide{days} * rate;
}

// The next day after `day` on which the verdict may differ, by a book without later facts.
Day next_possible_change(Day day, const Book& book, std::span<const PopulationFrom> population) {
  auto next = kEndOfDays;
  const auto consider = [&](Day candidate) {
    if (candidate > day) next = std::min(next, candidate);
  };
  consider(book.first_accepted_day() + kCountedFor);
  consider(book.delivered_changes(day));
  for (const auto& stretch : population) {
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

// Evaluates the days after `alert.evaluated_through` and calls `publish` for each transition. Stops after `through`,
// after the first transition if `once`, or when no later day can bring a transition.
template <typename Publish>
void walk_days(const SkuFacts& facts, const Book& last_book, std::span<const PopulationFrom> population,
               const MarketCalendar& calendar, Day through, bool once, OverstockAlert& alert, Publish&& publish) {
  auto day = alert.evaluated_through;
  if (day == kNoDay) day = last_book.first_accepted_day() - 1;  // Before the first count the rule cannot hold.
  while (day < through) {
    day = day + 1;
    // Facts of later days do not count on this day.
    const auto known = facts.facts_until(day);
    const bool all_known = known == facts.facts().size();
    std::optional<Book> early;
    const auto& book = all_known ? last_book : early.emplace(book_after(known, facts));
    const auto today = overstock_on(day, book, population);
    auto& state = alert.state;

    auto transition = Transition::STATE_UNSPECIFIED;
    if (today.stops) {
      state.held = state.cleared = 0;
      if (state.firing) {
        state.firing = false;
        ++state.transitions;
        transition = Transition::RESOLVED;
      }
    } else {
      transition = apply_verdict(state, today.verdict, kRuns, calendar.end_of(day));
    }
    if (transition != Transition::STATE_UNSPECIFIED) {
      publish(transition, day, today);
      if (once) return;
    }
    // No row of days is being counted: skip to the day before the next possible change.
    if (state.held == 0 && state.cleared == 0 && transition == Transition::STATE_UNSPECIFIED) {
      auto next = next_possible_change(day, book, population);
      if (!all_known) next = std::min(next, facts.facts()[known].day);
      if (next == kEndOfDays && through == kEndOfDays) return;
      day = std::min(through, next - 1);
    }
  }
}

}  // namespace

OverstockDay overstock_on(Day day, const Book& book, std::span<const PopulationFrom> population) {
  OverstockDay today;
  today.stops = !in_population_on(day + 1, population);
  if (!book.accepted()) return today;
  today.last_count = &book.accepted()->event;
  today.level = book.level(day);
  const auto rate = book.rate();
  today.threshold = kFiresAboveDays * rate;
  const auto delivered = book.delivered_until(day);
  today.verdict.holds =
      in_population_on(day, population) && day - book.first_accepted_day() >= kCountedFor &&
      book.rate_days() >= kRateDaysAtLeast && lasts_longer_than(kFiresAboveDays, today.level, rate) &&
      delivered.lines >= 1 &&
      Wide{today.level} * delivered.lines >= Wide{kDeliveriesAtLeast} * delivered.quantity * kMillionth;
  today.verdict.clear = !lasts_longer_than(kClearsAtDays, today.level, rate) || delivered.lines == 0;
  today.verdict.severity =
      lasts_longer_than(kWarnsAboveDays, today.level, rate) ? Transition::WARNING : Transition::INFO;
  return today;
}

void evaluate_overstock(const SkuFacts& facts, const Book& last_book, std::span<const PopulationFrom> population,
                        const MarketCalendar& calendar, Day through, OverstockAlert& alert,
                        const PublishOverstock& publish) {
  if (through <= alert.evaluated_through) return;
  if (last_book.accepted() || alert.state.firing) {
    walk_days(
        facts, last_book, population, calendar, through, false, alert,
        [&](Transition::State state, Day day, const OverstockDay& today) { publish(state, alert.state, day, today); });
  }
  alert.evaluated_through = through;
}

std::optional<Day> next_overstock_transition(const SkuFacts& facts, const Book& last_book,
                                             std::span<const PopulationFrom> population, const MarketCalendar& calendar,
                                             const OverstockAlert& alert) {
  if (!last_book.accepted() && !alert.state.firing && alert.state.held == 0) return std::nullopt;
  // Without facts to come the level only falls, so a level that is not high enough stays so.
  const auto tomorrow =
      alert.evaluated_through == kNoDay ? last_book.first_accepted_day() : alert.evaluated_through + 1;
  const bool all_seen = facts.facts().empty() || facts.facts().back().day <= tomorrow;
  const bool may_fire = last_book.accepted() && last_book.rate_days() >= kRateDaysAtLeast &&
                        lasts_longer_than(kFiresAboveDays, last_book.level(tomorrow), last_book.rate());
  if (!alert.state.firing && alert.state.held == 0 && all_seen && !may_fire) return std::nullopt;
  std::optional<Day> found;
  auto forecast = alert;
  walk_days(facts, last_book, population, calendar, kEndOfDays, true, forecast,
            [&](Transition::State, Day day, const OverstockDay&) { found = day; });
  return found;
}

}  // namespace fiverate
