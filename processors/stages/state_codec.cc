#include "processors/stages/state_codec.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "processors/trade/rows/running_values.h"

namespace fiverate {
namespace {

constexpr std::uint32_t kTagShift = 2;  // A stored shelf holds the price tag above its two lowest bits.
constexpr std::uint32_t kShelfValues = 1U << kTagShift;
constexpr std::int64_t kSavedQuantityMax =
    1'000'000'001;  // The largest of decode(), plus 1 where 0 stands for an absent one.
constexpr std::int64_t kEventTimeEnds = 253'402'300'800'000;  // the year 10000
constexpr std::uint32_t kSkuNumbersMax = 1 << 24;  // A damaged number must not allocate memory without limit.

void save_event(const EventRef& event, SavedEvent& state) {
  state.set_event_id(event.event_id);
  if (event.offset < 0) return;
  state.set_topic(static_cast<std::int32_t>(event.topic));
  state.set_partition(event.partition);
  state.set_offset_after(event.offset + 1);
}

EventRef load_event(const SavedEvent& state) {
  return {state.event_id(), static_cast<Topic>(state.topic()), state.partition(), state.offset_after() - 1};
}

void save_book(const Book::State& book, BookState& state) {
  if (book.accepted) {
    auto& count = *state.mutable_accepted();
    count.set_quantity(book.accepted->quantity);
    count.set_time_ms(book.accepted->time);
    count.set_day(book.accepted->day.number);
    save_event(book.accepted->event, *count.mutable_event());
  }
  state.set_first_accepted_day(book.first_accepted_day.number);
  state.set_moved_since_accepted(book.moved_since_accepted);
  state.set_rejected(book.rejected);
  state.set_rejected_quantity(book.rejected_quantity);
  state.set_rejected_time_ms(book.rejected_time);
  state.set_moved_since_rejected(book.moved_since_rejected);
  state.set_latest(static_cast<std::int32_t>(book.latest));
  state.set_latest_day(book.latest_day.number);
  state.set_zero_since(book.zero_since.number);
  state.set_delivered_before_zero(book.delivered_before_zero);
  state.set_last_out_day(book.last_out_day.number);
  for (const auto& delivered : book.delivered) {
    state.add_delivered_days(delivered.day.number);
    state.add_delivered(delivered.quantity);
    state.add_delivered_lines(delivered.lines);
  }
  state.set_level(book.level);
  state.set_anchor(book.anchor.number);
  state.set_rate(book.rate);
  for (const auto& pair : book.pairs) {
    state.add_pair_days(pair.later.number);
    state.add_pair_sold(pair.sold);
    state.add_pair_lengths(pair.days);
  }
}

Book load_book(const BookState& state) {
  Book::State book;
  if (state.has_accepted()) {
    const auto& count = state.accepted();
    book.accepted = Book::Count{count.quantity(), count.time_ms(), Day{count.day()}, load_event(count.event())};
  }
  book.first_accepted_day = Day{state.first_accepted_day()};
  book.moved_since_accepted = state.moved_since_accepted();
  book.rejected = state.rejected();
  book.rejected_quantity = state.rejected_quantity();
  book.rejected_time = state.rejected_time_ms();
  book.moved_since_rejected = state.moved_since_rejected();
  book.latest = static_cast<Book::Latest>(state.latest());
  book.latest_day = Day{state.latest_day()};
  book.zero_since = Day{state.zero_since()};
  book.delivered_before_zero = state.delivered_before_zero();
  book.last_out_day = Day{state.last_out_day()};
  for (int i = 0; i < state.delivered_days_size(); ++i) {
    book.delivered.push_back({Day{state.delivered_days(i)}, state.delivered(i), state.delivered_lines(i)});
  }
  book.level = state.level();
  book.anchor = Day{state.anchor()};
  book.rate = state.rate();
  for (int i = 0; i < state.pair_days_size(); ++i) {
    book.pairs.push_back({Day{state.pair_days(i)}, state.pair_sold(i), state.pair_lengths(i)});
  }
  return Book(std::move(book));
}

// Stores only the columns that this kind of document has.
void save_lines(const std::vector<Line>& lines, DocumentKind kind, OutletState::Document& state) {
  for (const auto& line : lines) {
    state.add_skus(static_cast<std::uint32_t>(line.sku));
    if (kind == DocumentKind::delivery) {
      state.add_quantities(line.quantity);
    } else {
      state.add_counts_after(line.count + 1);
    }
    if (kind == DocumentKind::order) {
      state.add_requested(line.requested);
      state.add_confirmed(line.confirmed);
    }
    if (kind == DocumentKind::visit) {
      state.add_prices_after(line.price + 1);
      state.add_shelves(static_cast<std::uint32_t>(line.shelf) | static_cast<std::uint32_t>(line.price_tag)
                                                                     << kTagShift);
    }
  }
}

std::vector<Line> load_lines(DocumentKind kind, const OutletState::Document& state) {
  std::vector<Line> lines;
  lines.reserve(static_cast<std::size_t>(state.skus_size()));
  for (int i = 0; i < state.skus_size(); ++i) {
    Line line{static_cast<SkuNumber>(state.skus(i))};
    if (kind == DocumentKind::delivery) {
      line.quantity = state.quantities(i);
    } else {
      line.count = state.counts_after(i) - 1;
    }
    if (kind == DocumentKind::order) {
      line.requested = state.requested(i);
      line.confirmed = state.confirmed(i);
    }
    if (kind == DocumentKind::visit) {
      line.price = state.prices_after(i) - 1;
      line.shelf = static_cast<Shelf>(state.shelves(i) & ((1U << kTagShift) - 1));
      line.price_tag = static_cast<PriceTag>(state.shelves(i) >> kTagShift);
    }
    lines.push_back(line);
  }
  return lines;
}

template <typename Column, typename... Columns>
bool equally_long(const Column& first, const Columns&... others) {
  return ((first.size() == others.size()) && ...);
}

template <typename Column, typename Value>
bool all_within(const Column& column, Value low, Value high) {
  return std::all_of(column.begin(), column.end(), [&](auto value) { return value >= low && value <= high; });
}

bool are_days(const google::protobuf::RepeatedField<std::int32_t>& days) {
  return all_within(days, kNoDay.number, kEndOfDays.number);
}

bool is_severity(std::int32_t number) {
  return Transition::Severity_IsValid(number);
}

bool has_valid_lines(const OutletState::Document& document, std::size_t skus) {
  const auto kind = static_cast<DocumentKind>(document.kind());
  const auto column = [&](const auto& values, bool present) {
    return values.size() == (present ? document.skus_size() : 0) &&
           all_within(values, std::int64_t{0}, kSavedQuantityMax);
  };
  return std::all_of(document.skus().begin(), document.skus().end(), [&](std::uint32_t sku) { return sku < skus; }) &&
         column(document.quantities(), kind == DocumentKind::delivery) &&
         column(document.counts_after(), kind != DocumentKind::delivery) &&
         column(document.requested(), kind == DocumentKind::order) &&
         column(document.confirmed(), kind == DocumentKind::order) &&
         column(document.prices_after(), kind == DocumentKind::visit) &&
         document.shelves_size() == (kind == DocumentKind::visit ? document.skus_size() : 0) &&
         std::all_of(document.shelves().begin(), document.shelves().end(), [](std::uint32_t shelf) {
           return shelf % kShelfValues <= static_cast<std::uint32_t>(Shelf::present) &&
                  shelf / kShelfValues <= static_cast<std::uint32_t>(PriceTag::not_ok);
         });
}

bool is_valid_document(const OutletState::Document& document, std::size_t skus) {
  return document.kind() >= 0 && document.kind() <= static_cast<int>(DocumentKind::visit) &&
         document.revisions_size() > 0 &&
         equally_long(document.revisions(), document.event_times(), document.contents(), document.events()) &&
         all_within(document.event_times(), std::int64_t{0}, kEventTimeEnds - 1) && has_valid_lines(document, skus);
}

bool is_valid_book(const BookState& book) {
  constexpr int kLatestMax = 3;  // Book::Latest
  return equally_long(book.delivered_days(), book.delivered(), book.delivered_lines()) &&
         equally_long(book.pair_days(), book.pair_sold(), book.pair_lengths()) && book.latest() >= 0 &&
         book.latest() <= kLatestMax;
}

bool is_valid_alert(const OutletState::SkuAlerts& alert, std::size_t skus) {
  return alert.sku() < skus && is_severity(alert.predicted_severity()) && is_severity(alert.overstock().severity()) &&
         std::all_of(alert.sent().begin(), alert.sent().end(),
                     [](const auto& sent) { return is_severity(sent.severity()); });
}

// `SkuPrices` is a field of PricesState or CellDeltas.
template <typename SkuPrices>
bool are_valid_prices(const SkuPrices& skus) {
  return std::all_of(skus.begin(), skus.end(), [](const auto& sku) {
    return equally_long(sku.prices(), sku.days(), sku.counts()) && are_days(sku.days());
  });
}

// The contributions of a brand, or those of whole outlets and of data quality for brand "".
bool are_contributions_of(std::string_view brand_id, const google::protobuf::RepeatedField<std::int32_t>& numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [&](std::int32_t number) {
    return number >= 0 && number < static_cast<std::int32_t>(kContributionCount) &&
           is_of_whole_outlets(static_cast<Contribution>(number)) == brand_id.empty();
  });
}

template <typename Visit>
void each_difference(const Series& series, Visit&& visit) {
  std::int64_t sum_before = 0;
  for (const auto& entry : series.entries()) {
    visit(entry.day, wrapped_sum(entry.sum, wrapped_product(-1, sum_before)));
    sum_before = entry.sum;
  }
}

// Optional prices are stored plus 1, so that 0 stands for none.
std::int64_t price_after(std::optional<std::int64_t> price) {
  return price ? *price + 1 : 0;
}
std::optional<std::int64_t> price_of(std::int64_t after) {
  return after == 0 ? std::nullopt : std::optional(after - 1);
}

}  // namespace

// ---- validity ----

bool is_valid(const OutletState& state, std::size_t skus) {
  return std::all_of(state.documents().begin(), state.documents().end(),
                     [&](const auto& document) { return is_valid_document(document, skus); }) &&
         std::all_of(state.openings().begin(), state.openings().end(),
                     [&](const auto& opening) { return opening.sku() < skus && is_valid_book(opening.book()); }) &&
         std::all_of(state.alerts().begin(), state.alerts().end(),
                     [&](const auto& alert) { return is_valid_alert(alert, skus); });
}

bool is_valid(const SkuState& state) {
  return state.number() < kSkuNumbersMax &&
         equally_long(state.valid_from(), state.brand_groups(), state.guide_prices_after()) &&
         equally_long(state.guides_from(), state.guides_after()) &&
         all_within(state.guide_prices_after(), std::int64_t{0}, kSavedQuantityMax) &&
         all_within(state.guides_after(), std::int64_t{0}, kSavedQuantityMax);
}

bool is_valid(const RegionState& state) {
  return equally_long(state.arrivals(), state.county());
}

bool is_valid(const PricesState& state) {
  return are_valid_prices(state.skus());
}

bool is_valid(const DayDifferencesState& state) {
  return equally_long(state.cells(), state.contributions(), state.values()) &&
         all_within(state.contributions(), 0U, static_cast<std::uint32_t>(kContributionCount) - 1);
}

bool is_valid(const CellDeltas& cell) {
  return equally_long(cell.measures(), cell.days(), cell.values()) &&
         are_contributions_of(cell.brand_id(), cell.measures()) && are_days(cell.days()) &&
         are_valid_prices(cell.prices());
}

// ---- facts of an outlet ----

void save(const OutletFacts& facts, const MarketContext& context, OutletState& state) {
  const auto save_segment = [&](SegmentNumber segment, auto& saved) {
    const auto& names = context.segments.segment(segment);
    saved.set_region_id(names.region_id);
    add_classes(names, *saved.mutable_classes());
  };
  state.set_known(facts.known);
  state.set_clock_day(facts.clock_day.number);
  state.set_kept_from(facts.kept_from.number);
  for (const auto& version : facts.versions) {
    auto& saved = *state.add_versions();
    saved.set_valid_from(version.valid_from.number);
    saved.set_cancelled(version.cancelled);
    saved.set_active(version.active);
    save_segment(version.segment, saved);
  }
  for (const auto& assignment : facts.assignments) {
    auto& saved = *state.add_assignments();
    saved.set_from(assignment.from.number);
    saved.set_active(assignment.in_population);
    save_segment(assignment.segment, saved);
  }
  for (const auto& document : facts.documents) {
    auto& saved = *state.add_documents();
    saved.set_kind(static_cast<int>(document->kind));
    saved.set_document_id(document->id);
    saved.set_counts(document->counts);
    saved.set_is_return(document->is_return);
    saved.set_not_done(document->not_done);
    for (const auto& revision : document->revisions) {
      saved.add_revisions(revision.number);
      saved.add_event_times(revision.event_time);
      saved.add_contents(revision.content);
      save_event(revision.event, *saved.add_events());
    }
    save_lines(document->lines, document->kind, saved);
  }
  for (const auto& [number, sku] : facts.skus) {
    if (!sku.is_folded()) continue;
    auto& saved = *state.add_openings();
    saved.set_sku(static_cast<std::uint32_t>(number));
    const auto& opening = sku.opening();
    save_book(opening.book.state(), *saved.mutable_book());
    if (opening.out_since) {
      saved.set_out(true);
      saved.set_out_since_ms(*opening.out_since);
      save_event(opening.out_event, *saved.mutable_out_event());
    }
    saved.set_requested_on(opening.requested_on.number);
    saved.set_last_request_short(opening.last_request_short);
  }
}

OutletFacts load(const OutletState& state, MarketContext& context) {
  const auto load_segment = [&](const auto& saved) {
    const std::vector<ClassValue> classes(saved.classes().begin(), saved.classes().end());
    return context.segments.number_of(saved.region_id(), classes);
  };
  OutletFacts facts;
  facts.known = state.known();
  facts.clock_day = Day{state.clock_day()};
  facts.kept_from = Day{state.kept_from()};
  for (const auto& saved : state.versions()) {
    facts.versions.push_back({Day{saved.valid_from()}, saved.cancelled(), saved.active(), load_segment(saved)});
  }
  for (const auto& saved : state.assignments()) {
    facts.assignments.push_back({Day{saved.from()}, saved.active(), load_segment(saved)});
  }
  for (const auto& saved : state.openings()) {
    Opening opening;
    opening.book = load_book(saved.book());
    if (saved.out()) {
      opening.out_since = saved.out_since_ms();
      opening.out_event = load_event(saved.out_event());
    }
    opening.requested_on = Day{saved.requested_on()};
    opening.last_request_short = saved.last_request_short();
    facts.skus[static_cast<SkuNumber>(saved.sku())].restore(std::move(opening));
  }
  for (const auto& saved : state.documents()) {
    auto document = std::make_unique<Document>();
    document->kind = static_cast<DocumentKind>(saved.kind());
    document->id = saved.document_id();
    document->counts = saved.counts();
    document->is_return = saved.is_return();
    document->not_done = saved.not_done();
    for (int i = 0; i < saved.revisions_size(); ++i) {
      document->revisions.push_back(
          {saved.revisions(i), saved.event_times(i), saved.contents(i), load_event(saved.events(i))});
    }
    document->lines = load_lines(document->kind, saved);
    facts.documents.insert(facts.documents.end(), std::move(document));
  }
  derive(facts, context);
  return facts;
}

// ---- alerts ----

void save(const OutletAlerts& alerts, OutletState& state) {
  for (const auto& [sku, one] : alerts) {
    if (one.is_initial()) continue;
    auto& saved = *state.add_alerts();
    saved.set_sku(static_cast<std::uint32_t>(sku));
    if (one.due != kNever) saved.set_due_ms(one.due);
    saved.set_confirmed_transitions(one.confirmed_transitions);
    saved.set_confirmed_episodes(one.confirmed_episodes);
    for (const auto& stockout : one.published) {
      auto& sent = *saved.add_sent();
      sent.set_episode(stockout.episode);
      sent.set_start_ms(stockout.start);
      sent.set_end_ms(stockout.end);
      sent.set_severity(stockout.severity);
      save_event(stockout.begun_by, *sent.mutable_begun_by());
    }
    saved.set_predicted_transitions(one.predicted_transitions);
    saved.set_predicted_episodes(one.predicted_episodes);
    saved.set_predicted(one.predicted);
    saved.set_predicted_since_ms(one.predicted_since);
    saved.set_predicted_severity(one.predicted_severity);
    if (one.predicted_by) save_event(*one.predicted_by, *saved.mutable_predicted_by());
    if (!one.overstock.state.is_initial()) save(one.overstock.state, *saved.mutable_overstock());
    if (one.overstock.evaluated_through != kNoDay)
      saved.set_overstock_evaluated(one.overstock.evaluated_through.number);
  }
}

OutletAlerts load_alerts(const OutletState& state) {
  OutletAlerts alerts;
  for (const auto& saved : state.alerts()) {
    auto& one = alerts[static_cast<SkuNumber>(saved.sku())];
    one.due = saved.due_ms() == 0 ? kNever : saved.due_ms();
    one.confirmed_transitions = saved.confirmed_transitions();
    one.confirmed_episodes = saved.confirmed_episodes();
    for (const auto& sent : saved.sent()) {
      one.published.push_back({sent.episode(), sent.start_ms(), sent.end_ms(),
                               static_cast<Transition::Severity>(sent.severity()), load_event(sent.begun_by())});
    }
    one.predicted_transitions = saved.predicted_transitions();
    one.predicted_episodes = saved.predicted_episodes();
    one.predicted = saved.predicted();
    one.predicted_since = saved.predicted_since_ms();
    one.predicted_severity = static_cast<Transition::Severity>(saved.predicted_severity());
    if (saved.has_predicted_by()) one.predicted_by = load_event(saved.predicted_by());
    one.overstock = {load(saved.overstock()),
                     saved.overstock_evaluated() == 0 ? kNoDay : Day{saved.overstock_evaluated()}};
  }
  return alerts;
}

void save(const DailyAlert& alert, ClockedState& state) {
  state.set_firing(alert.firing);
  state.set_episode(alert.episode);
  state.set_severity(alert.severity);
  state.set_held(alert.held);
  state.set_cleared(alert.cleared);
  state.set_transitions(alert.transitions);
  state.set_since_ms(alert.since);
}

DailyAlert load(const ClockedState& state) {
  return {state.firing(),  state.episode(), static_cast<Transition::Severity>(state.severity()),
          state.held(),    state.cleared(), state.transitions(),
          state.since_ms()};
}

// ---- prices ----

void save(const CellPrices& prices, PricesState& state) {
  for (const auto& sku : prices.skus()) {
    auto& saved = *state.add_skus();
    saved.set_sku_id(sku.sku_id);
    for (const auto& [price, series] : sku.prices) {
      each_difference(series, [&, fen = price](Day day, std::int64_t count) {
        saved.add_prices(fen);
        saved.add_days(day.number);
        saved.add_counts(count);
      });
    }
  }
}

CellPrices load(const PricesState& state) {
  CellPrices prices;
  for (const auto& saved : state.skus()) prices.add(saved);
  return prices;
}

// ---- reference ----

SkuState saved_sku(const Catalogue& catalogue, SkuNumber sku) {
  const auto& entry = catalogue.entry(sku);
  SkuState state;
  state.set_sku_id(entry.sku_id);
  state.set_number(static_cast<std::uint32_t>(sku));
  state.set_brand_id(catalogue.brand_id(entry.brand));
  for (const auto& version : entry.versions) {
    state.add_valid_from(version.valid_from.number);
    state.add_brand_groups(version.brand_group);
    state.add_guide_prices_after(price_after(version.guide_price));
  }
  for (const auto& guide : entry.guides) {
    state.add_guides_from(guide.from.number);
    state.add_guides_after(price_after(guide.price));
  }
  return state;
}

void restore(const SkuState& state, Catalogue& catalogue) {
  SkuEntry entry{state.sku_id()};
  for (int i = 0; i < state.valid_from_size(); ++i) {
    entry.versions.push_back({Day{state.valid_from(i)}, state.brand_groups(i), price_of(state.guide_prices_after(i))});
  }
  for (int i = 0; i < state.guides_from_size(); ++i) {
    entry.guides.push_back({Day{state.guides_from(i)}, price_of(state.guides_after(i))});
  }
  catalogue.restore(static_cast<SkuNumber>(state.number()), std::move(entry), state.brand_id());
}

RegionState saved_region(const RegionTree& regions, std::size_t region) {
  const auto& history = regions.history(region);
  RegionState state;
  *state.mutable_region() = history.region;
  for (const auto& change : history.county_changes) {
    state.add_arrivals(change.arrival);
    state.add_county(change.is_county);
  }
  return state;
}

void restore(const RegionState& state, RegionTree& regions) {
  RegionHistory history{state.region(), {}};
  for (int i = 0; i < state.county_size(); ++i) history.county_changes.push_back({state.arrivals(i), state.county(i)});
  regions.restore(std::move(history));
}

}  // namespace fiverate
