#include "processors/trade/book/stockout.h"

#include <algorithm>
#include <utility>

namespace fiverate {
namespace {

constexpr std::int64_t kDeliveredAtLeast = 4;  // units in the 90 days before the stockout
constexpr std::int32_t kCountAgeMax = 28;      // days
constexpr std::int64_t kFiresBelowDays = 2;    // of supply
constexpr std::int64_t kClearsAtDays = 3;

// Walks over the facts in order. It keeps the book and the stockout that is open.
struct Walk {
  const SkuFacts& facts;
  std::span<const PopulationFrom> population;
  const MarketCalendar& calendar;
  Book book = facts.opening().book;
  std::optional<Stockout> open = {};

  Walk(const SkuFacts& sku, std::span<const PopulationFrom> of_outlet, const MarketCalendar& days)
      : facts(sku), population(of_outlet), calendar(days) {
    const auto& opening = sku.opening();
    if (opening.out_since) open = Stockout{*opening.out_since, kOpenEnd, opening.out_event, {}};
  }

  // Whether the SKU was ordered early enough to stay listed, while it is out since day `since`.
  [[nodiscard]] bool ordered_since(Day since) const { return facts.first_request(since) - since <= kChronicDays + 1; }

  // The midnight that ends the open stockout if no further fact comes.
  [[nodiscard]] Millis ends_without_facts() const {
    auto last_listed = book.last_out_day() + kListedDays;
    if (!ordered_since(book.zero_since())) last_listed = std::min(last_listed, book.zero_since() + kChronicDays);
    auto end = calendar.start_of(last_listed + 2);
    for (const auto& stretch : population) {
      if (stretch.in_population || stretch.from <= calendar.day_of(open->start)) continue;
      end = std::min(end, calendar.start_of(stretch.from));
      break;
    }
    return end;
  }

  // Applies all facts of one instant. Returns the stockout that ended, if one did.
  std::optional<Stockout> apply(std::span<const Fact> instant) {
    std::optional<Stockout> ended;
    const auto& first = instant.front();
    if (open) {
      if (const auto end = ends_without_facts(); end <= calendar.start_of(first.day)) {
        open->end = end;
        ended = std::exchange(open, std::nullopt);
      }
    }
    bool was_out = book.latest() == Book::Latest::zero;
    const Document* begun_by = nullptr;
    const Document* refilled_by = nullptr;
    for (const auto& fact : instant) {
      const bool accepted = book.apply(fact);
      if (!accepted || fact.kind == FactKind::returned) continue;
      if (book.latest() == Book::Latest::zero) {
        if (!was_out) begun_by = fact.document;
        was_out = true;
      } else {
        if (refilled_by == nullptr) refilled_by = fact.document;
        was_out = false;
      }
    }
    const bool out = book.latest() == Book::Latest::zero;
    if (open && !out) {
      open->end = first.time;
      open->ended_by = refilled_by->counted().event;
      ended = std::exchange(open, std::nullopt);
    } else if (!open && out && begun_by != nullptr && book.delivered_before_zero() >= kDeliveredAtLeast &&
               in_population_on(first.day, population)) {
      open = Stockout{first.time, kOpenEnd, begun_by->counted().event, {}};
    }
    return ended;
  }
};

// Calls `apply` once for the facts of each instant.
template <typename Apply>
void by_instant(std::span<const Fact> facts, Apply&& apply) {
  for (std::size_t from = 0, to = 0; from < facts.size(); from = to) {
    while (to < facts.size() && facts[to].time == facts[from].time) ++to;
    apply(facts.subspan(from, to - from));
  }
}

// The book of the days up to today. Mostly this is `last_book`, the book of all facts.
const Book& book_of(const SkuFacts& facts, const Book& last_book, Day today, std::optional<Book>& other) {
  if (facts.facts.empty() || facts.facts.back().day <= today) return last_book;
  return other.emplace(book_until(today, facts));
}

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

std::vector<Stockout> stockouts(const SkuFacts& facts, std::span<const PopulationFrom> population,
                                const MarketCalendar& calendar, Book* last_book) {
  std::vector<Stockout> found;
  Walk walk(facts, population, calendar);
  by_instant(facts.facts, [&](std::span<const Fact> instant) {
    if (auto ended = walk.apply(instant)) found.push_back(std::move(*ended));
  });
  if (walk.open) {
    walk.open->end = walk.ends_without_facts();
    found.push_back(std::move(*walk.open));
  }
  if (last_book != nullptr) *last_book = std::move(walk.book);
  return found;
}

bool is_count_accepted(const SkuFacts& facts, const Document& document) {
  auto book = facts.opening().book;
  for (const auto& fact : facts.facts) {
    const bool accepted = book.apply(fact);
    if (fact.document == &document && is_count(fact.kind)) return accepted;
  }
  return true;  // The document has no such count.
}

void fold_before(SkuFacts& facts, Day day, std::span<const PopulationFrom> population, const MarketCalendar& calendar) {
  const auto end =
      std::find_if(facts.facts.begin(), facts.facts.end(), [&](const Fact& fact) { return fact.day >= day; });
  const auto requests_end = std::find_if(facts.requests.begin(), facts.requests.end(),
                                         [&](const Request& request) { return request.day >= day; });
  if (end == facts.facts.begin() && requests_end == facts.requests.begin()) return;

  Walk walk(facts, population, calendar);
  by_instant({facts.facts.begin(), end}, [&](std::span<const Fact> instant) { walk.apply(instant); });
  const bool out = walk.book.latest() == Book::Latest::zero;
  const auto requested_on = out ? facts.first_request(walk.book.zero_since()) : kEndOfDays;
  auto opening = std::make_unique<Opening>();
  if (requested_on < day) opening->requested_on = requested_on;  // Later requests are kept in `requests`.
  const bool requested = requests_end != facts.requests.begin();
  opening->last_request_short = requested ? (requests_end - 1)->short_confirmed : facts.opening().last_request_short;
  if (walk.open) {
    opening->out_since = walk.open->start;
    opening->out_event = std::move(walk.open->begun_by);
  }
  opening->book = std::move(walk.book);
  facts.folded = std::move(opening);
  facts.facts.erase(facts.facts.begin(), end);
  facts.requests.erase(facts.requests.begin(), requests_end);
}

Prediction predict(const SkuFacts& facts, const Book& last_book, Day today, bool in_population) {
  std::optional<Book> other;
  const auto& book = book_of(facts, last_book, today, other);
  Prediction prediction;
  prediction.short_confirmed = facts.opening().last_request_short;
  for (const auto& request : facts.requests) {
    if (request.day <= today) prediction.short_confirmed = request.short_confirmed;
  }
  if (!book.accepted()) return prediction;
  prediction.known = true;
  prediction.last_count = book.accepted()->event;
  prediction.level = book.level(today);
  prediction.rate = book.rate();
  const bool applies = in_population && prediction.rate > 0 && today - book.accepted()->day <= kCountAgeMax &&
                       book.latest() != Book::Latest::zero;
  prediction.holds = applies && lasts_less_than(kFiresBelowDays, prediction.level, prediction.rate);
  prediction.clear = !applies || !lasts_less_than(kClearsAtDays, prediction.level, prediction.rate);
  return prediction;
}

std::optional<Day> prediction_changes(const SkuFacts& facts, const Book& last_book, Day today, bool firing,
                                      std::span<const PopulationFrom> population) {
  std::optional<Book> other;
  const auto& book = book_of(facts, last_book, today, other);
  std::optional<Day> next;
  const auto consider = [&](Day day) {
    if (day > today && (!next || day < *next)) next = day;
  };
  // Facts that have arrived with a later day.
  for (const auto& fact : facts.facts) {
    if (fact.day > today) consider(fact.day);
  }
  for (const auto& request : facts.requests) {
    if (request.day > today) consider(request.day);
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
