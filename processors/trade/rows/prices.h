// Retail prices that visits read: which readings are plausible, and their exact quantiles. A reading is compared with the guide
// price of its day as it is known when the row is made, so a new guide price changes no state of an outlet.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "processors/trade/reference/catalogue.h"
#include "processors/trade/rows/series.h"

namespace fiverate {

// A price is plausible if it is above 0 and, with a guide price, 0.3 to 3 times the guide price. Both are in fen.
constexpr bool price_plausible(std::int64_t price, std::optional<std::int64_t> guide) {
  return price > 0 && (!guide || (10 * price >= 3 * *guide && price <= 3 * *guide));
}

// The number of readings of each value.
class Readings {
 public:
  void add(std::int64_t value, std::int64_t count) { counts_.emplace_back(value, count); }
  void add(const Readings& other) { counts_.insert(counts_.end(), other.counts_.begin(), other.counts_.end()); }
  [[nodiscard]] std::int64_t size() const;
  // For each of `percent` (ascending, 1..100) the reading with the rank ceil(n x percent / 100), counted from 1, of n readings in
  // ascending order. There must be readings.
  [[nodiscard]] std::array<std::int64_t, 3> quantiles(const std::array<std::int64_t, 3>& percent) const;

 private:
  std::vector<std::pair<std::int64_t, std::int64_t>> counts_;  // (value, count) in any order; a value may occur again
};

struct PriceReadings {
  Readings fen;
  Readings index;  // basis points of the guide price, rounded down; only of SKUs that have a guide price on the day

  void add(const PriceReadings& other) {
    fen.add(other.fen);
    index.add(other.index);
  }
};

// The plausible readings of some days. A SKU that is not in the catalogue yet has no guide price.
PriceReadings readings_of(const CellPrices& prices, DayRange days, const Catalogue& catalogue);

}  // namespace fiverate
