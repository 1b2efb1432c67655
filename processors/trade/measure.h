// The measures: what outlets contribute, day by day, and what a published line holds.
//
// A *contribution* is what outlet sends to market as dated deltas. It is a flow (a quantity of one day) or a step (a number
// that holds from a day on until it is changed). A *published measure* is made of contributions by market, for a window
// W = [D - window + 1, D] and the window before it, P. Formulas: docs/glossary.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "schemas/reasons.h"

namespace fiverate {

inline constexpr std::array<std::int32_t, 3> kWindows{7, 28, 91};
inline constexpr std::size_t kWindowCount = kWindows.size();
inline constexpr std::int32_t kLongestWindow = 91;
inline constexpr std::int32_t kActiveDays = 56;  // an outlet stays active on the day of a document and 55 more

// Numbers are part of the internal encoding: append only.
enum class Contribution : std::uint8_t {
  // Steps of the whole outlet (brand "").
  active_outlets = 0,
  dormant_outlets = 1,
  // Flows of a brand.
  delivered_units = 2,
  returned_units = 3,
  // Steps of a brand, one a window.
  buying_outlets_7 = 4,
  buying_outlets_28 = 5,
  buying_outlets_91 = 6,
  repeat_buying_outlets_7 = 7,
  repeat_buying_outlets_28 = 8,
  repeat_buying_outlets_91 = 9,
  // Flows of data quality (brand "", region ""), by day of arrival.
  accepted = 10,
  superseded = 11,
  duplicates = 12,
  parked = 13,
  quarantined = 14,  // the first of kDocumentReasons, the others follow in their order
};

// Reasons that a whole document can be quarantined for, in the order in which they are published.
inline constexpr std::array kDocumentReasons{
    Reason::malformed,       Reason::bad_payload,       Reason::missing_field,    Reason::bad_value,
    Reason::negative_quantity, Reason::duplicate_sku,   Reason::unknown_outlet,   Reason::unknown_sku,
    Reason::future,          Reason::late,              Reason::event_id_conflict, Reason::revision_conflict};
inline constexpr std::size_t kContributionCount =
    static_cast<std::size_t>(Contribution::quarantined) + kDocumentReasons.size();

constexpr bool is_step(Contribution contribution) {
  return contribution <= Contribution::dormant_outlets ||
         (contribution >= Contribution::buying_outlets_7 && contribution <= Contribution::repeat_buying_outlets_91);
}
constexpr Contribution buying_in(std::size_t window_index) {
  return static_cast<Contribution>(static_cast<std::size_t>(Contribution::buying_outlets_7) + window_index);
}
constexpr Contribution repeat_buying_in(std::size_t window_index) {
  return static_cast<Contribution>(static_cast<std::size_t>(Contribution::repeat_buying_outlets_7) + window_index);
}
// The data-quality flow of a reason; a reason that no document can have counts as malformed (there is none).
constexpr Contribution quarantined_for(Reason reason) {
  for (std::size_t i = 0; i < kDocumentReasons.size(); ++i) {
    if (kDocumentReasons[i] == reason) {
      return static_cast<Contribution>(static_cast<std::size_t>(Contribution::quarantined) + i);
    }
  }
  return Contribution::quarantined;
}

// ---- what a line publishes, in this order ---------------------------------------------------------------------------

// Of a brand.
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
  counties,
  covered_counties,
};
inline constexpr std::array<std::string_view, 11> kBrandMeasureNames{
    "active_outlets",      "dormant_outlets",     "delivered_units",
    "returned_units",      "net_delivered_units", "previous_net_delivered_units",
    "net_delivered_units_change", "buying_outlets", "repeat_buying_outlets",
    "counties",            "covered_counties"};

// Of the market as a whole (brand_id ""): every line has the first two, the line of region "" all.
inline constexpr std::array<std::string_view, 19> kMarketMeasureNames{"active_outlets",
                                                                      "dormant_outlets",
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
static_assert(kMarketMeasureNames.size() == 7 + kDocumentReasons.size());

}  // namespace fiverate
