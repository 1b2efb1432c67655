// Retail prices that visits read: which readings are plausible, and their exact quantiles. A reading is compared with the guide
// price of its day as it is known when the row is made, so a new guide price changes no state of an outlet.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "processors/trade/reference/catalogue.h"
#include "processors/trade/rows/series.h"

namespace fiverate {

// A price is plausible if it is above 0 and, with a guide price, 0.3 to 3 times the guide price. Both are in fen.
constexpr bool price_plausible(std::int64_t price, std::optional<std::int64_t> guide) {
  return price > 0 && (!guide || (10 * price >= 3 * *guide && price <= 3 * *guide));
}

// The number of readings of each value, by window.
class Readings {
 public:
  using Counts = std::array<std::int64_t, kWindowCount>;

  void add(std::int64_t value, std::size_t window, std::int64_t count);
  void add(const Readings& other);
  // Adds up equal values. What follows is read after this.
  void sort();

  [[nodiscard]] std::int64_t size(std::size_t window) const;
  // For each of `percent` (ascending, 1..100) the reading with the rank ceil(n x percent / 100), counted from 1, of n readings in
  // ascending order. There must be readings in the window.
  [[nodiscard]] std::array<std::int64_t, 3> quantiles(std::size_t window,
                                                      const std::array<std::int64_t, 3>& percent) const;

 private:
  struct Entry {
    std::int64_t value;
    Counts counts;
  };
  std::vector<Entry> entries_;  // sorted: ascending, each value once
};

struct PriceReadings {
  Readings fen;
  Readings index;  // basis points of the guide price, rounded down; only of SKUs that have a guide price on the day

  void add(const PriceReadings& other) {
    fen.add(other.fen);
    index.add(other.index);
  }
  void sort() {
    fen.sort();
    index.sort();
  }
};

// The plausible readings of the days of each window. A SKU that is not in the catalogue yet has no guide price.
PriceReadings readings_of(const CellPrices& prices, std::span<const WindowDays> windows, const Catalogue& catalogue);

}  // namespace fiverate
