#include "processors/trade/facts/sound.h"

#include <algorithm>

#include "processors/trade/book/document.h"
#include "processors/trade/measures/measure.h"
#include "schemas/time.h"

namespace fiverate {
namespace {

constexpr std::int64_t kSavedQuantityMax = 1'000'000'001;     // what decode() lets pass, plus 1 where "not said" is 0
constexpr std::int64_t kEventTimeEnds = 253'402'300'800'000;  // the year 10000
constexpr std::uint32_t kSkuNumbersMax = 1 << 24;             // beyond it a number would only cost memory
constexpr std::uint32_t kShelfBits = 4;

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

bool are_contributions(const google::protobuf::RepeatedField<std::int32_t>& numbers) {
  return all_within(numbers, 0, static_cast<std::int32_t>(kContributionCount) - 1);
}

bool are_severities(std::int32_t number) {
  return Transition::Severity_IsValid(number);
}

bool has_sound_lines(const OutletState::Document& document, std::size_t skus) {
  const auto kind = static_cast<DocumentKind>(document.kind());
  const auto column = [&](const auto& values, bool said) {
    return values.size() == (said ? document.skus_size() : 0) && all_within(values, std::int64_t{0}, kSavedQuantityMax);
  };
  return std::all_of(document.skus().begin(), document.skus().end(), [&](std::uint32_t sku) { return sku < skus; }) &&
         column(document.quantities(), kind == DocumentKind::delivery) &&
         column(document.counts_after(), kind != DocumentKind::delivery) &&
         column(document.requested(), kind == DocumentKind::order) &&
         column(document.confirmed(), kind == DocumentKind::order) &&
         column(document.prices_after(), kind == DocumentKind::visit) &&
         document.shelves_size() == (kind == DocumentKind::visit ? document.skus_size() : 0) &&
         std::all_of(document.shelves().begin(), document.shelves().end(), [](std::uint32_t shelf) {
           return shelf % kShelfBits <= static_cast<std::uint32_t>(Shelf::present) &&
                  shelf / kShelfBits <= static_cast<std::uint32_t>(PriceTag::not_ok);
         });
}

bool is_sound_document(const OutletState::Document& document, std::size_t skus) {
  return document.kind() >= 0 && document.kind() <= static_cast<int>(DocumentKind::visit) &&
         document.revisions_size() > 0 &&
         equally_long(document.revisions(), document.event_times(), document.contents(), document.events()) &&
         all_within(document.event_times(), std::int64_t{0}, kEventTimeEnds - 1) && has_sound_lines(document, skus);
}

bool is_sound_book(const BookState& book) {
  constexpr int kLatestMax = 3;  // Book::Latest
  return equally_long(book.delivered_days(), book.delivered(), book.delivered_lines()) &&
         equally_long(book.pair_days(), book.pair_sold(), book.pair_lengths()) && book.latest() >= 0 &&
         book.latest() <= kLatestMax;
}

bool is_sound_alert(const OutletState::SkuAlerts& alert, std::size_t skus) {
  return alert.sku() < skus && are_severities(alert.predicted_severity()) &&
         are_severities(alert.overstock().severity()) &&
         std::all_of(alert.sent().begin(), alert.sent().end(),
                     [](const auto& sent) { return are_severities(sent.severity()); });
}

// Of CellState or CellDeltas.
template <typename Cell>
bool has_sound_prices(const Cell& cell) {
  return std::all_of(cell.prices().begin(), cell.prices().end(), [](const auto& sku) {
    return equally_long(sku.prices(), sku.days(), sku.counts()) && are_days(sku.days());
  });
}

}  // namespace

bool is_sound(const OutletState& state, std::size_t skus) {
  return std::all_of(state.documents().begin(), state.documents().end(),
                     [&](const auto& document) { return is_sound_document(document, skus); }) &&
         std::all_of(state.openings().begin(), state.openings().end(),
                     [&](const auto& opening) { return opening.sku() < skus && is_sound_book(opening.book()); }) &&
         std::all_of(state.alerts().begin(), state.alerts().end(),
                     [&](const auto& alert) { return is_sound_alert(alert, skus); });
}

bool is_sound(const SkuState& state) {
  return state.number() < kSkuNumbersMax &&
         equally_long(state.valid_from(), state.brand_groups(), state.guide_prices_after()) &&
         equally_long(state.guides_from(), state.guides_after()) &&
         all_within(state.guide_prices_after(), std::int64_t{0}, kSavedQuantityMax) &&
         all_within(state.guides_after(), std::int64_t{0}, kSavedQuantityMax);
}

bool is_sound(const RegionState& state) {
  return equally_long(state.arrivals(), state.county());
}

bool is_sound(const CellState& state) {
  return equally_long(state.contributions(), state.days(), state.values()) &&
         are_contributions(state.contributions()) && are_days(state.days()) && has_sound_prices(state);
}

bool is_sound(const CellDeltas& cell) {
  return equally_long(cell.measures(), cell.days(), cell.values()) && are_contributions(cell.measures()) &&
         are_days(cell.days()) && has_sound_prices(cell);
}

}  // namespace fiverate
