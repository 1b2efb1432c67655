// Retail prices as shops ask them: which readings are plausible, and their quantiles, from exact counts. The guide price of the
// day judges a reading, as it is known when the day's row is made; so a new guide price touches no outlet.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "processors/trade/reference/catalogue.h"
#include "processors/trade/rows/series.h"

namespace fiverate {

// Not 0; and with a guide price, from 0.3 to 3 times of it. Both in fen.
constexpr bool price_plausible(std::int64_t price, std::optional<std::int64_t> guide) {
  return price > 0 && (!guide || (10 * price >= 3 * *guide && price <= 3 * *guide));
}

// How often each value was read.
class Readings {
 public:
  void add(std::int64_t value, std::int64_t count) { counts_.emplace_back(value, count); }
  void add(const Readings& other) { counts_.insert(counts_.end(), other.counts_.begin(), other.counts_.end()); }
  [[nodiscard]] std::int64_t size() const;
  // The quantiles of `percent` (ascending, each in 1..100): of n readings in order, that of ceil(n x percent / 100) from
  // 1. There must be readings.
  [[nodiscard]] std::array<std::int64_t, 3> quantiles(const std::array<std::int64_t, 3>& percent) const;

 private:
  std::vector<std::pair<std::int64_t, std::int64_t>> counts_;  // value, count; in any order
};

struct PriceReadings {
  Readings fen;
  Readings index;  // price in basis points of the guide price (floor); only of SKUs that have one that day

  void add(const PriceReadings& other) {
    fen.add(other.fen);
    index.add(other.index);
  }
};

// The plausible readings of the days. A SKU that the catalogue does not know yet has no guide price.
PriceReadings readings_of(const Cell& cell, DayRange days, const Catalogue& catalogue);

}  // namespace fiverate
