#include "processors/stages/state_codec.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "processors/stages/equally_long.h"
#include "processors/trade/rows/running_values.h"

namespace fiverate {
namespace {

constexpr std::int64_t kSavedQuantityMax =
    1'000'000'001;                                 // The largest of decode(), plus 1 where 0 stands for an absent one.
constexpr std::uint32_t kSkuNumbersMax = 1 << 24;  // A damaged number must not allocate memory without limit.

template <typename Column, typename Value>
bool all_within(const Column& column, Value low, Value high) {
  return std::all_of(column.begin(), column.end(), [&](auto value) { return value >= low && value <= high; });
}

bool are_days(const google::protobuf::RepeatedField<std::int32_t>& days) {
  return all_within(days, kNoDay.number, kEndOfDays.number);
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
  return std::all_of(state.skus().begin(), state.skus().end(), [](const PricesState::Sku& sku) {
    return equally_long(sku.prices(), sku.days(), sku.counts()) && are_days(sku.days());
  });
}

bool is_valid(const DayDifferencesState& state) {
  return equally_long(state.cells(), state.contributions(), state.values()) &&
         all_within(state.contributions(), 0U, static_cast<std::uint32_t>(kContributionCount) - 1);
}

// ---- alerts ----

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
  state.set_brand_id(catalogue.brand_id(catalogue.brand_of(sku)));
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
