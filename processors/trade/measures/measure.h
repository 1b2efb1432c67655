// The tables of contributions, measures and rates, and the group of each. Each name is written once, here; enums, names
// and look-ups derive from it.
//
// A *contribution* is a number that the outlet stage sends to the market stage as dated differences. A *measure* is a
// number of a published row: the market stage derives it from contributions, for each window (window.h). A *rate* is
// the quotient of two measures. Formulas, units and sources: docs/glossary.md.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "processors/trade/base/units.h"
#include "processors/trade/base/window.h"
#include "schemas/reasons.h"

namespace fiverate {

// ---- groups ----------------------------------------------------------------------------------------------------------

// The groups that `[rates] measures` selects, in the order of their names in the configuration.
#define FIVERATE_MEASURE_GROUPS(X) X(purchases) X(orders) X(shelf) X(prices) X(stock)

enum class MeasureGroup : std::uint8_t {
  always,  // what cannot be left out: active and dormant outlets, visits, data quality
#define FIVERATE_ENUMERATOR(name) name,
  FIVERATE_MEASURE_GROUPS(FIVERATE_ENUMERATOR)
#undef FIVERATE_ENUMERATOR
};
inline constexpr std::array kMeasureGroupNames{
#define FIVERATE_NAME(name) std::string_view(#name),
    FIVERATE_MEASURE_GROUPS(FIVERATE_NAME)
#undef FIVERATE_NAME
};
constexpr MeasureGroup measure_group(std::size_t name_index) {
  return static_cast<MeasureGroup>(name_index + 1);
}
// `group` is not `always`.
constexpr std::string_view name_of(MeasureGroup group) {
  return kMeasureGroupNames[static_cast<std::size_t>(group) - 1];
}

// ---- contributions --------------------------------------------------------------------------------------------------

enum class ContributionKind : std::uint8_t {
  // A number that holds from a day on. A row shows its value on the row's own day.
  step,
  // A step with a number of its own for each window: kWindowCount contributions, see in_window().
  window_step,
  // A step that a row sums over the days of its window.
  day_step,
  // A quantity of one day, which a row sums over the days of its window.
  flow,
};

// Reasons for which a whole document is quarantined, in the order in which their measures are published.
#define FIVERATE_DOCUMENT_REASONS(X) \
  X(malformed)                       \
  X(bad_payload)                     \
  X(missing_field)                   \
  X(bad_value)                       \
  X(negative_quantity)               \
  X(duplicate_sku)                   \
  X(unknown_outlet)                  \
  X(unknown_sku)                     \
  X(future)                          \
  X(late)                            \
  X(event_id_conflict)               \
  X(revision_conflict)

// X(name, number, kind, group). Numbers are part of the internal encoding (kEncodingsVersion); a window_step has one for
// each window. Contributions of whole outlets and of visits belong to brand ""; those of data quality to brand "",
// region "" and the day of arrival.
#define FIVERATE_CONTRIBUTIONS(X)                                                                                \
  X(active_outlets, 0, step, always)                                                                             \
  X(dormant_outlets, 1, step, always)                                                                            \
  X(ordering_outlets, 2, window_step, orders)                                                                    \
  /* Of a brand: */                                                                                              \
  X(buying_outlets, 6, window_step, purchases)                                                                   \
  X(repeat_buying_outlets, 10, window_step, purchases)                                                           \
  X(requesting_outlets, 14, window_step, orders)                                                                 \
  X(holding_outlets, 18, window_step, stock)                                                                     \
  X(moving_outlets, 22, window_step, stock)                                                                      \
  X(available_units, 26, window_step, stock)                                                                     \
  X(sold_units, 30, window_step, stock)                                                                          \
  X(on_shelf_outlets, 34, step, shelf)                                                                           \
  X(stocks_known, 35, step, stock)                                                                               \
  /* The stock of day D is stock_base - stock_slope x D, in millionths, modulo 2^64. */                          \
  X(stock_base, 36, step, stock)                                                                                 \
  X(stock_slope, 37, step, stock)                                                                                \
  X(sales_rate, 38, step, stock)  /* millionths a day */                                                         \
  X(listed_skus, 39, step, stock) /* pairs of outlet and SKU whose state is not NOT_LISTED, of active outlets */ \
  /* Pairs of outlet and SKU by the state of their stock: */                                                     \
  X(stockout_days, 40, day_step, stock)                                                                          \
  X(in_stock_days, 41, day_step, stock)                                                                          \
  X(unknown_days, 42, day_step, stock)                                                                           \
  X(stockout_days_estimated, 43, day_step, stock)                                                                \
  X(delivered_units, 44, flow, purchases)                                                                        \
  X(returned_units, 45, flow, purchases)                                                                         \
  X(requested_units, 46, flow, orders)                                                                           \
  X(confirmed_units, 47, flow, orders)                                                                           \
  X(filled_units, 48, flow, orders)                                                                              \
  X(unmet_units, 49, flow, orders)                                                                               \
  X(order_lines, 50, flow, orders)                                                                               \
  X(full_lines, 51, flow, orders)                                                                                \
  X(confirmed_lines, 52, flow, orders)                                                                           \
  X(shelf_checks, 53, flow, shelf)                                                                               \
  X(shelf_present, 54, flow, shelf)                                                                              \
  X(price_tags_checked, 55, flow, shelf)                                                                         \
  X(price_tags_ok, 56, flow, shelf)                                                                              \
  X(listed_counts, 57, flow, stock)                                                                              \
  X(zero_counts, 58, flow, stock)                                                                                \
  X(visits_done, 59, flow, always)                                                                               \
  X(visits_not_done, 60, flow, always)                                                                           \
  /* Of data quality: */                                                                                         \
  X(accepted, 61, flow, always)                                                                                  \
  X(superseded, 62, flow, always)                                                                                \
  X(duplicates, 63, flow, always)                                                                                \
  X(parked, 64, flow, always)                                                                                    \
  X(quarantined, 65, flow, always) /* the first of FIVERATE_DOCUMENT_REASONS; the others follow in their order */

enum class Contribution : std::uint8_t {
#define FIVERATE_ENUMERATOR(name, number, kind, group) name = (number),
  FIVERATE_CONTRIBUTIONS(FIVERATE_ENUMERATOR)
#undef FIVERATE_ENUMERATOR
};

inline constexpr std::array kDocumentReasons{
#define FIVERATE_REASON(name) Reason::name,
    FIVERATE_DOCUMENT_REASONS(FIVERATE_REASON)
#undef FIVERATE_REASON
};
inline constexpr std::size_t kContributionCount =
    static_cast<std::size_t>(Contribution::quarantined) + kDocumentReasons.size();

// The kind of each contribution, by its number.
inline constexpr auto kContributionKinds = [] {
  std::array<ContributionKind, kContributionCount> kinds{};
  for (auto& kind : kinds) kind = ContributionKind::flow;
#define FIVERATE_KIND(name, number, kind, group)                                                                   \
  for (std::size_t i = 0; i < (ContributionKind::kind == ContributionKind::window_step ? kWindowCount : 1); ++i) { \
    kinds[(number) + i] = ContributionKind::kind;                                                                  \
  }
  FIVERATE_CONTRIBUTIONS(FIVERATE_KIND)
#undef FIVERATE_KIND
  return kinds;
}();
constexpr ContributionKind kind_of(Contribution contribution) {
  return kContributionKinds[static_cast<std::size_t>(contribution)];
}

// What has to be selected for a contribution: its group, and for one of the contributions of a window_step its window.
struct ContributionNeeds {
  MeasureGroup group = MeasureGroup::always;
  std::optional<std::uint8_t> window;  // its index in kWindows
};
inline constexpr auto kContributionNeeds = [] {
  std::array<ContributionNeeds, kContributionCount> needs{};
#define FIVERATE_NEEDS(name, number, kind, group)                            \
  needs[number] = {MeasureGroup::group, std::nullopt};                       \
  if (ContributionKind::kind == ContributionKind::window_step) {             \
    for (std::uint8_t window = 0; window < kWindowCount; ++window) {         \
      needs[(number) + std::size_t{window}] = {MeasureGroup::group, window}; \
    }                                                                        \
  }
  FIVERATE_CONTRIBUTIONS(FIVERATE_NEEDS)
#undef FIVERATE_NEEDS
  return needs;
}();
constexpr MeasureGroup group_of(Contribution contribution) {
  return kContributionNeeds[static_cast<std::size_t>(contribution)].group;
}

constexpr bool is_step(Contribution contribution) {
  return kind_of(contribution) != ContributionKind::flow;
}
// Whether rows read only the value of the row's own day, not those of the other days of a window.
constexpr bool is_state_at_a_day(Contribution contribution) {
  return kind_of(contribution) == ContributionKind::step || kind_of(contribution) == ContributionKind::window_step;
}

// The contribution of one window, by its index in kWindows. `first` is the name of a window_step.
constexpr Contribution in_window(Contribution first, std::size_t window_index) {
  return static_cast<Contribution>(static_cast<std::size_t>(first) + window_index);
}
static_assert(in_window(Contribution::sold_units, kWindowCount) == Contribution::on_shelf_outlets);

// The data-quality flow of a reason. A reason that no whole document is rejected for counts as malformed.
constexpr Contribution quarantined_for(Reason reason) {
  for (std::size_t i = 0; i < kDocumentReasons.size(); ++i) {
    if (kDocumentReasons[i] == reason) {
      return static_cast<Contribution>(static_cast<std::size_t>(Contribution::quarantined) + i);
    }
  }
  return Contribution::quarantined;
}

// ---- measures of a brand --------------------------------------------------------------------------------------------

// The measures by their names in JSON, in the order of a row's values. A row derives a `derived` measure from the
// contribution of the same name, as the kind of the contribution requires, and takes an `of_outlets` one from the
// contribution of the same name of brand "". Both have its group. rows.cc computes the `computed` ones from other
// measures, regions or price readings; their group stands here.
// clang-format off
#define FIVERATE_BRAND_MEASURES(derived, derived_from, of_outlets, computed)                                          \
  of_outlets(active_outlets) of_outlets(dormant_outlets)                                                              \
  derived(delivered_units) derived(returned_units) computed(net_delivered_units, purchases)                           \
  computed(previous_net_delivered_units, purchases) computed(net_delivered_units_change, purchases)                   \
  derived(buying_outlets) derived(repeat_buying_outlets) of_outlets(ordering_outlets) derived(requesting_outlets)     \
  computed(counties, purchases) computed(covered_counties, purchases) derived(on_shelf_outlets)                       \
  derived(shelf_checks) derived(shelf_present)                                                                        \
  derived(requested_units) derived(confirmed_units) derived(filled_units) derived(unmet_units)                        \
  derived(order_lines) derived(full_lines) derived(confirmed_lines)                                                   \
  computed(price_readings, prices)                                                                                    \
  computed(price_q1_fen, prices) computed(price_median_fen, prices) computed(price_q3_fen, prices)                    \
  computed(price_index_readings, prices)                                                                              \
  computed(price_index_q1_bp, prices) computed(price_index_median_bp, prices) computed(price_index_q3_bp, prices)     \
  derived(stockout_days_estimated) derived(price_tags_checked) derived(price_tags_ok)                                 \
  derived(stockout_days) derived_from(known_days, in_stock_days) /* and the stockout days */ derived(unknown_days)    \
  derived(listed_counts) derived(zero_counts)                                                                         \
  derived(available_units) derived(sold_units) derived(holding_outlets) derived(moving_outlets)                       \
  computed(stock_units, stock) derived(stocks_known)                                                                  \
  /* From here on inputs of rates, which JSON does not show: */                                                       \
  computed(sales_28d_units, stock) /* sales of 28 days at the rates of the books */                                   \
  computed(year_earlier_net_delivered_units, purchases)
// clang-format on

enum class BrandMeasure : std::uint8_t {
#define FIVERATE_ENUMERATOR(name, ...) name,
  FIVERATE_BRAND_MEASURES(FIVERATE_ENUMERATOR, FIVERATE_ENUMERATOR, FIVERATE_ENUMERATOR, FIVERATE_ENUMERATOR)
#undef FIVERATE_ENUMERATOR
};

struct BrandMeasureEntry {
  BrandMeasure measure;
  std::string_view name;
  std::optional<Contribution> contribution;  // that it derives from
  MeasureGroup group;
};
inline constexpr std::array kBrandMeasures{
#define FIVERATE_DERIVED_FROM(name, other) \
  BrandMeasureEntry{BrandMeasure::name, #name, Contribution::other, group_of(Contribution::other)},
#define FIVERATE_DERIVED(name) FIVERATE_DERIVED_FROM(name, name)
#define FIVERATE_OF_OUTLETS(name) \
  BrandMeasureEntry{BrandMeasure::name, #name, std::nullopt, group_of(Contribution::name)},
#define FIVERATE_COMPUTED(name, group) BrandMeasureEntry{BrandMeasure::name, #name, std::nullopt, MeasureGroup::group},
    FIVERATE_BRAND_MEASURES(FIVERATE_DERIVED, FIVERATE_DERIVED_FROM, FIVERATE_OF_OUTLETS, FIVERATE_COMPUTED)
#undef FIVERATE_DERIVED
#undef FIVERATE_DERIVED_FROM
#undef FIVERATE_OF_OUTLETS
#undef FIVERATE_COMPUTED
};
constexpr MeasureGroup group_of(BrandMeasure measure) {
  return kBrandMeasures[static_cast<std::size_t>(measure)].group;
}
inline constexpr std::size_t kBrandValueCount = kBrandMeasures.size();
using BrandValues = std::array<std::int64_t, kBrandValueCount>;  // by BrandMeasure

// The names of the measures that JSON shows, by BrandMeasure.
inline constexpr auto kBrandMeasureNames = [] {
  std::array<std::string_view, static_cast<std::size_t>(BrandMeasure::sales_28d_units)> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kBrandMeasures[i].name;
  return names;
}();

// A measure and the contribution that a row derives it from.
struct DerivedMeasure {
  BrandMeasure measure;
  Contribution contribution;
};
// The measures whose contribution is of one kind.
template <ContributionKind kKind>
inline constexpr auto kMeasuresFrom = [] {
  constexpr auto kHasKind = [](const BrandMeasureEntry& entry) {
    return entry.contribution.has_value() && kind_of(*entry.contribution) == kKind;
  };
  std::array<DerivedMeasure, static_cast<std::size_t>(std::ranges::count_if(kBrandMeasures, kHasKind))> measures{};
  std::size_t next = 0;
  for (const auto& entry : kBrandMeasures) {
    if (kHasKind(entry)) measures[next++] = {entry.measure, *entry.contribution};
  }
  return measures;
}();

// ---- rates of a brand -----------------------------------------------------------------------------------------------

// X(name in JSON, numerator, denominator), in the order in which they are published. growth_yoy subtracts the
// denominator from the numerator first.
#define FIVERATE_RATES(X)                                              \
  X(buying, buying_outlets, active_outlets)                            \
  X(on_shelf, on_shelf_outlets, active_outlets)                        \
  X(coverage, covered_counties, counties)                              \
  X(on_shelf_audited, shelf_present, shelf_checks)                     \
  X(unit_fill, filled_units, requested_units)                          \
  X(line_fill, full_lines, order_lines)                                \
  X(purchase_face, confirmed_lines, order_lines)                       \
  X(order_demand, requesting_outlets, ordering_outlets)                \
  X(repurchase, repeat_buying_outlets, buying_outlets)                 \
  X(growth, net_delivered_units_change, previous_net_delivered_units)  \
  X(growth_yoy, net_delivered_units, year_earlier_net_delivered_units) \
  X(price_tag, price_tags_ok, price_tags_checked)                      \
  X(stockout_rate, stockout_days, known_days)                          \
  X(stockout_instances, zero_counts, listed_counts)                    \
  X(sell_through, sold_units, available_units)                         \
  X(moving_share, moving_outlets, holding_outlets)                     \
  X(stock_to_sales, stock_units, sales_28d_units)

enum class RateName : std::uint8_t {
#define FIVERATE_ENUMERATOR(name, numerator, denominator) name,
  FIVERATE_RATES(FIVERATE_ENUMERATOR)
#undef FIVERATE_ENUMERATOR
};
inline constexpr std::array<std::string_view, 17> kRateNames{
#define FIVERATE_NAME(name, numerator, denominator) #name,
    FIVERATE_RATES(FIVERATE_NAME)
#undef FIVERATE_NAME
};
static_assert(kRateNames.back() == "stock_to_sales", "a name is missing");

// The measures of each rate, by RateName.
struct RateFormula {
  BrandMeasure numerator;
  BrandMeasure denominator;
};
inline constexpr std::array<RateFormula, kRateNames.size()> kRateFormulas{{
#define FIVERATE_FORMULA(name, numerator, denominator) {BrandMeasure::numerator, BrandMeasure::denominator},
    FIVERATE_RATES(FIVERATE_FORMULA)
#undef FIVERATE_FORMULA
}};

// ---- measures of the whole market -----------------------------------------------------------------------------------

// Measures of brand "", in the order of a row's values. Every row has the first four; the row of region "", all
// classes, also has those of data quality, of which `received` is the sum of all others.
#define FIVERATE_MARKET_MEASURES(X) \
  X(active_outlets)                 \
  X(dormant_outlets)                \
  X(visits_done)                    \
  X(visits_not_done)                \
  X(received)                       \
  X(accepted)                       \
  X(superseded)                     \
  X(duplicates)                     \
  X(parked)

inline constexpr std::array<std::string_view, 9 + kDocumentReasons.size()> kMarketMeasureNames{
#define FIVERATE_NAME(name) #name,
#define FIVERATE_QUARANTINED_NAME(reason) "quarantined_" #reason,
    FIVERATE_MARKET_MEASURES(FIVERATE_NAME) FIVERATE_DOCUMENT_REASONS(FIVERATE_QUARANTINED_NAME)
#undef FIVERATE_QUARANTINED_NAME
#undef FIVERATE_NAME
};
static_assert(kMarketMeasureNames.back() == "quarantined_revision_conflict", "a name is missing");

}  // namespace fiverate
