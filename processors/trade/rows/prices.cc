#include "processors/trade/rows/prices.h"

#include <algorithm>

#include "schemas/check.h"

namespace fiverate {

std::int64_t Readings::size() const {
  std::int64_t sum = 0;
  for (const auto& [value, count] : counts_) sum += count;
  return sum;
}

std::array<std::int64_t, 3> Readings::quantiles(const std::array<std::int64_t, 3>& percent) const {
  auto sorted = counts_;
  std::sort(sorted.begin(), sorted.end());
  const auto all = size();
  CHECK(all > 0);
  std::array<std::int64_t, 3> found{};
  std::size_t next = 0;
  std::int64_t passed = 0;
  for (const auto& [value, count] : sorted) {
    passed += count;
    while (next < percent.size() && passed >= (all * percent[next] + 99) / 100) found[next++] = value;
  }
  return found;
}

PriceReadings readings_of(const CellPrices& prices, DayRange days, const Catalogue& catalogue) {
  constexpr std::int64_t kBasisPoints = 10'000;
  PriceReadings readings;
  for (const auto& sku : prices.skus()) {
    const auto number = catalogue.find(sku.sku_id);
    for (auto from = days.first; from <= days.last;) {
      const auto guide = number ? catalogue.guide_price(*number, from) : std::nullopt;
      const auto until = number ? std::min(days.last, catalogue.guide_price_holds_until(*number, from)) : days.last;
      for (const auto& [price, series] : sku.prices) {
        const auto count = series.between(from, until);
        if (count == 0 || !price_plausible(price, guide)) continue;
        readings.fen.add(price, count);
        if (guide) readings.index.add(kBasisPoints * price / *guide, count);
      }
      from = until + 1;
    }
  }
  return readings;
}

}  // namespace fiverate
