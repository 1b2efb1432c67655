// The measures: what outlets contribute, day by day, and what a published line holds.
//
// A *contribution* is what outlet sends to market as dated deltas. It is a flow (a quantity of one day) or a step (a number
// that holds from a day on until it is changed). A *published measure* is made of contributions by market, for each window
// (window.h). Formulas, units and sources: docs/glossary.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "processors/trade/measures/window.h"
#include "schemas/reasons.h"

namespace fiverate {

inline constexpr std::int32_t kActiveDays = 56;  // an outlet stays active on the day of a document and 55 more

// Numbers are part of the internal encoding (kEncodingsVersion).
enum class Contribution : std::uint8_t {
  // Steps of the whole outlet (brand "").
  active_outlets = 0,
  dormant_outlets = 1,
  // Steps, one a window: kWindowCount numbers each, see in_window(). Of the whole outlet:
  ordering_outlets = 2,
  // of a brand:
  buying_outlets = 6,
  repeat_buying_outlets = 10,
  requesting_outlets = 14,
  holding_outlets = 18,
  moving_outlets = 22,
  available_units = 26,
  sold_units = 30,
  // Steps of a brand, the same in every window.
  on_shelf_outlets = 34,
  stocks_known = 35,
  stock_base = 36,   // the stock of day D is base - slope x D, in millionths; both modulo 2^64
  stock_slope = 37,
  sales_rate = 38,   // millionths a day
  listed_skus = 39,  // outlet-SKUs that are not NOT_LISTED, of active outlets
  // Steps of a brand that market sums over the days of a window: outlet-SKUs by the state of their stock.
  stockout_days = 40,
  in_stock_days = 41,
  unknown_days = 42,
  stockout_days_estimated = 43,
  // Flows of a brand.
  delivered_units = 44,
  returned_units = 45,
  requested_units = 46,
  confirmed_units = 47,
  filled_units = 48,
  unmet_units = 49,
  order_lines = 50,
  full_lines = 51,
  confirmed_lines = 52,
  shelf_checks = 53,
  shelf_present = 54,
  price_tags_checked = 55,
  price_tags_ok = 56,
  listed_counts = 57,
  zero_counts = 58,
  // Flows of brand "".
  visits_done = 59,
  visits_not_done = 60,
  // Of data quality (brand "", region ""), by day of arrival.
  accepted = 61,
  superseded = 62,
  duplicates = 63,
  parked = 64,
  quarantined = 65,  // the first of kDocumentReasons, the others follow in their order
};

// Reasons that a whole document can be quarantined for, in the order in which they are published.
inline constexpr std::array kDocumentReasons{
    Reason::malformed,       Reason::bad_payload,       Reason::missing_field,    Reason::bad_value,
    Reason::negative_quantity, Reason::duplicate_sku,   Reason::unknown_outlet,   Reason::unknown_sku,
    Reason::future,          Reason::late,              Reason::event_id_conflict, Reason::revision_conflict};
inline constexpr std::size_t kContributionCount =
    static_cast<std::size_t>(Contribution::quarantined) + kDocumentReasons.size();

constexpr bool is_step(Contribution contribution) { return contribution <= Contribution::stockout_days_estimated; }
// Of a step: rows look at its value on their own day alone, not at those of a window.
constexpr bool is_state_at_a_day(Contribution contribution) { return contribution < Contribution::stockout_days; }

// The one of a window, by its index in kWindows, of a contribution that has one a window.
constexpr Contribution in_window(Contribution first, std::size_t window_index) {
  return static_cast<Contribution>(static_cast<std::size_t>(first) + window_index);
}
static_assert(in_window(Contribution::sold_units, kWindowCount) == Contribution::on_shelf_outlets);

// The data-quality flow of a reason; a reason that no document can have counts as malformed (there is none).
constexpr Contribution quarantined_for(Reason reason) {
  for (std::size_t i = 0; i < kDocumentReasons.size(); ++i) {
    if (kDocumentReasons[i] == reason) {
      return static_cast<Contribution>(static_cast<std::size_t>(Contribution::quarantined) + i);
    }
  }
  return Contribution::quarantined;
}

inline constexpr std::int64_t kMillionth = 1'000'000;  // levels and rates of stock are in millionths of a unit (a day)

// Sums modulo 2^64: those of stock_base and stock_slope pass the range; their difference does not, up to 9.2e12 units in a line.
constexpr std::int64_t wrapped_sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
constexpr std::int64_t wrapped_product(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

// ---- what a line publishes, in this order ---------------------------------------------------------------------------

// Of a brand. Behind stocks_known stands what rates need and no measure names.
enum class BrandMeasure : std::uint8_t {
  active_outlets,
  dormant_outlets,
  delivered_units,
  returned_units,
  net_delivered_units,
  previous_net_delivered_units,
  net_delivered_units_change,
  buying_outlets,
  repeat_buying_outlets,
  ordering_outlets,
  requesting_outlets,
  counties,
  covered_counties,
  on_shelf_outlets,
  shelf_checks,
  shelf_present,
  requested_units,
  confirmed_units,
  filled_units,
  unmet_units,
  order_lines,
  full_lines,
  confirmed_lines,
  price_readings,
  price_q1_fen,
  price_median_fen,
  price_q3_fen,
  price_index_readings,
  price_index_q1_bp,
  price_index_median_bp,
  price_index_q3_bp,
  stockout_days_estimated,
  price_tags_checked,
  price_tags_ok,
  stockout_days,
  known_days,
  unknown_days,
  listed_counts,
  zero_counts,
  available_units,
  sold_units,
  holding_outlets,
  moving_outlets,
  stock_units,
  stocks_known,
  sales_28d_units,                     // of 28 days at the rates of the books
  year_earlier_net_delivered_units,
};
inline constexpr std::array<std::string_view, 45> kBrandMeasureNames{"active_outlets",
                                                                     "dormant_outlets",
                                                                     "delivered_units",
                                                                     "returned_units",
                                                                     "net_delivered_units",
                                                                     "previous_net_delivered_units",
                                                                     "net_delivered_units_change",
                                                                     "buying_outlets",
                                                                     "repeat_buying_outlets",
                                                                     "ordering_outlets",
                                                                     "requesting_outlets",
                                                                     "counties",
                                                                     "covered_counties",
                                                                     "on_shelf_outlets",
                                                                     "shelf_checks",
                                                                     "shelf_present",
                                                                     "requested_units",
                                                                     "confirmed_units",
                                                                     "filled_units",
                                                                     "unmet_units",
                                                                     "order_lines",
                                                                     "full_lines",
                                                                     "confirmed_lines",
                                                                     "price_readings",
                                                                     "price_q1_fen",
                                                                     "price_median_fen",
                                                                     "price_q3_fen",
                                                                     "price_index_readings",
                                                                     "price_index_q1_bp",
                                                                     "price_index_median_bp",
                                                                     "price_index_q3_bp",
                                                                     "stockout_days_estimated",
                                                                     "price_tags_checked",
                                                                     "price_tags_ok",
                                                                     "stockout_days",
                                                                     "known_days",
                                                                     "unknown_days",
                                                                     "listed_counts",
                                                                     "zero_counts",
                                                                     "available_units",
                                                                     "sold_units",
                                                                     "holding_outlets",
                                                                     "moving_outlets",
                                                                     "stock_units",
                                                                     "stocks_known"};
inline constexpr std::size_t kBrandValueCount = static_cast<std::size_t>(BrandMeasure::year_earlier_net_delivered_units) + 1;
static_assert(kBrandMeasureNames.size() == static_cast<std::size_t>(BrandMeasure::sales_28d_units));
using BrandValues = std::array<std::int64_t, kBrandValueCount>;  // by BrandMeasure

// Of the market as a whole (brand_id ""): every line has the first four, the line of region "" all.
inline constexpr std::array<std::string_view, 21> kMarketMeasureNames{"active_outlets",
                                                                      "dormant_outlets",
                                                                      "visits_done",
                                                                      "visits_not_done",
                                                                      "received",
                                                                      "accepted",
                                                                      "superseded",
                                                                      "duplicates",
                                                                      "parked",
                                                                      "quarantined_malformed",
                                                                      "quarantined_bad_payload",
                                                                      "quarantined_missing_field",
                                                                      "quarantined_bad_value",
                                                                      "quarantined_negative_quantity",
                                                                      "quarantined_duplicate_sku",
                                                                      "quarantined_unknown_outlet",
                                                                      "quarantined_unknown_sku",
                                                                      "quarantined_future",
                                                                      "quarantined_late",
                                                                      "quarantined_event_id_conflict",
                                                                      "quarantined_revision_conflict"};
static_assert(kMarketMeasureNames.size() == 9 + kDocumentReasons.size());

}  // namespace fiverate
