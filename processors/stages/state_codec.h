// Conversions between the values of the trade folder and the messages in which stages store them (state.proto). The
// trade folder does not know how its values are stored.
//
// A stage checks a stored message with is_valid() before it converts it; the conversions rely on this. Store and log
// have checksums, so a message is invalid only if another program, or an error in this one, wrote it. Then the stage
// reports damaged state and stops, instead of reading beyond the end of a column.
#pragma once

#include <cstddef>

#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/region_tree.h"
#include "processors/trade/rows/series.h"
#include "processors/trade/rules/daily_rule.h"
#include "state.pb.h"

namespace fiverate {

// Whether columns have equal lengths, numbers are within their ranges, and enumerators exist.
[[nodiscard]] bool is_valid(const SkuState& state);
[[nodiscard]] bool is_valid(const RegionState& state);
[[nodiscard]] bool is_valid(const PricesState& state);
[[nodiscard]] bool is_valid(const DayDifferencesState& state);

void save(const DailyAlert& alert, ClockedState& state);
DailyAlert load(const ClockedState& state);

void save(const CellPrices& prices, PricesState& state);
CellPrices load(const PricesState& state);

SkuState saved_sku(const Catalogue& catalogue, SkuNumber sku);
void restore(const SkuState& state, Catalogue& catalogue);

RegionState saved_region(const RegionTree& regions, std::size_t region);
void restore(const RegionState& state, RegionTree& regions);

}  // namespace fiverate
