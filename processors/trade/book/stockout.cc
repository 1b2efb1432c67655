#include "processors/trade/book/stockout.h"

#include <algorithm>
#include <utility>

#include "processors/trade/book/sku_facts.h"

namespace fiverate {
namespace {

constexpr std::int64_t kDeliveredAtLeast = 4;  // units in the 90 days before the stockout
constexpr std::int32_t kCountAgeMax = 28;      // days
constexpr std::int64_t kFiresBelowDays = 2;    // of supply
constexpr std::int64_t kClearsAtDays = 3;

bool lasts_less_than(std::int64_t days, std::int64_t level, std::int64_t rate) {
  return level / days < rate;
}

}  // namespace

bool in_population_on(Day day, std::span<const PopulationFrom> population) {
  bool in_population = false;
  for (const auto& stretch : population) {
    if (stretch.from > day) break;
    in_population = stretch.in_population;
  }
  return in_population;
}

StockoutWalk::StockoutWalk(const Opening& opening) {
  if (opening.out_since) open_ = Stockout{*opening.out_since, kOpenEnd, opening.out_event, {}};
}

Millis StockoutWalk::ends_without_facts(const Book& book, const StockoutContext& context) const {
  const auto since = book.zero_since();
  auto last_listed = book.last_out_day() + kListedDays;
  const bool ordered = context.facts.first_request(since) - since <= kChronicDays + 1;  // early enough to stay listed
  if (!ordered) last_listed = std::min(last_listed, since + kChronicDays);
  auto end = context.calendar.start_of(last_listed + 2);
  for (const auto& stretch : context.population) {
    if (stretch.in_population || stretch.from <= context.calendar.day_of(open_->start)) continue;
    end = std::min(end, context.calendar.start_of(stretch.from));
    break;
  }
  return end;
}

void StockoutWalk::before(const Fact& fact, const Book& book, const StockoutContext& context,
                          std::vector<Stockout>* ended) {
  if (instant_ && instant_->time != fact.time) end_instant(book, context, ended);
  if (instant_) return;
  if (open_) {
    if (const auto end = ends_without_facts(book, context); end <= context.calendar.start_of(fact.day)) {
      end_open(end, ended);
    }
  }
  instant_ = Instant{fact.time, fact.day, book.latest() == Book::Latest::zero};
}

void StockoutWalk::after(const Fact& fact, bool accepted, const Book& book) {
  if (!accepted || fact.kind == FactKind::returned) return;
  const bool was_out = std::exchange(instant_->out, book.latest() == Book::Latest::zero);
  if (instant_->out && !was_out) instant_->begun_by = fact.document;
  if (!instant_->out && instant_->refilled_by == nullptr) instant_->refilled_by = fact.document;
}

void StockoutWalk::end_instant(const Book& book, const StockoutContext& context, std::vector<Stockout>* ended) {
  const auto instant = std::exchange(instant_, std::nullopt);
  if (!instant) return;
  if (open_ && !instant->out) {
    open_->ended_by = instant->refilled_by->counted().event;
    end_open(instant->time, ended);
  } else if (!open_ && instant->out && instant->begun_by != nullptr &&
             book.delivered_before_zero() >= kDeliveredAtLeast && in_population_on(instant->day, context.population)) {
    open_ = Stockout{instant->time, kOpenEnd, instant->begun_by->counted().event, {}};
  }
}

void StockoutWalk::end_open(Millis end, std::vector<Stockout>* ended) {
  open_->end = end;
  last_ended_ = open_->start;
  if (ended != nullptr) ended->push_back(*open_);
  open_.reset();
}

namespace {

// Appends the stockout that is open after the last fact, and the one that the facts of its instant end.
void append_last(StockoutWalk stockouts, const Book& book, const StockoutContext& context,
                 std::vector<Stockout>& found) {
  stockouts.end_instant(book, context, &found);
  if (!stockouts.open()) return;
  found.push_back(*stockouts.open());
  found.back().end = stockouts.ends_without_facts(book, context);
}

}  // namespace

std::vector<Stockout> stockouts(const StockoutContext& context, Millis after) {
  const auto& sku = context.facts;
  std::vector<Stockout> found;
  const auto& latest = sku.latest(context.population, context.calendar);
  if (latest.stockouts.last_ended() <= after) {
    append_last(latest.stockouts, latest.book, context, found);
  } else {
    const auto is_early = [&](const SkuWalk& walk) { return walk.stockouts.last_ended() <= after; };
    auto [walk, known] = sku.walk_before(is_early);
    for (; known < sku.facts().size(); ++known) walk.apply(sku.facts()[known], context, nullptr, &found);
    append_last(std::move(walk.stockouts), walk.book, context, found);
  }
  std::erase_if(found, [&](const Stockout& stockout) { return stockout.start <= after; });
  return found;
}

bool is_count_accepted(const StockoutContext& context, const Document& document) {
  const auto& sku = context.facts;
  const auto& facts = sku.facts();
  const auto kind = document.kind == DocumentKind::visit ? FactKind::counted : FactKind::declared;
  const Fact count{document.counted().event_time, Day{}, kind, 0, &document};
  const auto at = std::lower_bound(facts.begin(), facts.end(), count);
  if (at == facts.end() || at->document != &document || at->kind != kind) return true;
  if (at + 1 == facts.end()) return !sku.latest(context.population, context.calendar).book.state().rejected;
  return book_after(static_cast<std::size_t>(at - facts.begin()), sku).apply(*at);
}

void fold_before(SkuFacts& facts, Day day, std::span<const PopulationFrom> population, const MarketCalendar& calendar) {
  const auto old_facts = facts.facts_until(day - 1);
  const auto old_requests = facts.requests_until(day - 1);
  if (old_facts == 0 && old_requests == 0) return;

  SkuWalk walk(facts.opening());
  const StockoutContext context{facts, population, calendar};
  for (std::size_t i = 0; i < old_facts; ++i) walk.apply(facts.facts()[i], context);
  walk.stockouts.end_instant(walk.book, context, nullptr);
  Opening opening;
  const bool out = walk.book.latest() == Book::Latest::zero;
  const auto requested_on = out ? facts.first_request(walk.book.zero_since()) : kEndOfDays;
  if (requested_on < day) opening.requested_on = requested_on;  // Later requests are kept.
  opening.last_request_short =
      old_requests > 0 ? facts.requests()[old_requests - 1].short_confirmed : facts.opening().last_request_short;
  if (walk.stockouts.open()) {
    opening.out_since = walk.stockouts.open()->start;
    opening.out_event = walk.stockouts.open()->begun_by;
  }
  opening.book = std::move(walk.book);
  facts.fold(std::move(opening), day);
  facts.add_checkpoints(population, calendar);
}

Prediction predict(const SkuFacts& facts, const Book& book, Day today, bool in_population) {
  Prediction prediction;
  prediction.short_confirmed = facts.opening().last_request_short;
  if (const auto requests = facts.requests_until(today); requests > 0) {
    prediction.short_confirmed = facts.requests()[requests - 1].short_confirmed;
  }
  if (!book.accepted()) return prediction;
  prediction.level = book.level(today);
  prediction.rate = book.rate();
  const bool applies = in_population && prediction.rate > 0 && today - book.accepted()->day <= kCountAgeMax &&
                       book.latest() != Book::Latest::zero;
  prediction.holds = applies && lasts_less_than(kFiresBelowDays, prediction.level, prediction.rate);
  prediction.clear = !applies || !lasts_less_than(kClearsAtDays, prediction.level, prediction.rate);
  return prediction;
}

std::optional<Day> prediction_changes(const SkuFacts& facts, const Book& book, Day today, bool firing,
                                      std::span<const PopulationFrom> population) {
  std::optional<Day> next;
  const auto consider = [&](Day day) {
    if (day > today && (!next || day < *next)) next = day;
  };
  // Facts that have arrived with a later day.
  if (const auto later = facts.facts_until(today); later < facts.facts().size()) consider(facts.facts()[later].day);
  if (const auto later = facts.requests_until(today); later < facts.requests().size()) {
    consider(facts.requests()[later].day);
  }
  if (!book.accepted()) return next;
  const auto too_old = book.accepted()->day + kCountAgeMax + 1;
  if (firing) consider(too_old);
  if (!firing && today >= too_old) return next;
  for (const auto& stretch : population) consider(stretch.from);
  if (book.rate() == 0 || book.latest() == Book::Latest::zero) return next;
  // level - n x rate < 2 x rate first holds for n = floor(level / rate) - 1.
  const auto days = std::max<std::int64_t>(book.level(today) / book.rate() - 1, firing ? 0 : 1);
  if (days < too_old - today) consider(today + static_cast<std::int32_t>(days));
  return next;
}

}  // namespace fiverate
