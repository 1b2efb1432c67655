#include "processors/trade/rows/prices.h"

#include <algorithm>

#include "processors/trade/base/add_up.h"
#include "schemas/check.h"

namespace fiverate {

void Readings::add(std::int64_t value, std::size_t window, std::int64_t count) {
  if (entries_.empty() || entries_.back().value != value) entries_.push_back({value, {}});
  entries_.back().counts[window] += count;
}

void Readings::add(const Readings& other) {
  entries_.insert(entries_.end(), other.entries_.begin(), other.entries_.end());
}

void Readings::sort() {
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.value < b.value; });
  add_up_equal(
      entries_, [](const Entry& a, const Entry& b) { return a.value == b.value; },
      [](Entry& sum, const Entry& next) {
        for (std::size_t w = 0; w < kWindowCount; ++w) sum.counts[w] += next.counts[w];
      });
}

std::int64_t Readings::size(std::size_t window) const {
  std::int64_t sum = 0;
  for (const auto& entry : entries_) sum += entry.counts[window];
  return sum;
}

std::array<std::int64_t, 3> Readings::quantiles(std::size_t window, const std::array<std::int64_t, 3>& percent) const {
  const auto all = size(window);
  CHECK(all > 0);
  std::array<std::int64_t, 3> found{};
  std::size_t next = 0;
  std::int64_t passed = 0;
  for (const auto& entry : entries_) {
    passed += entry.counts[window];
    while (next < percent.size() && passed >= (all * percent[next] + 99) / 100) found[next++] = entry.value;
  }
  return found;
}

PriceReadings readings_of(const CellPrices& prices, std::span<const WindowDays> windows, const Catalogue& catalogue) {
  constexpr std::int64_t kBasisPoints = 10'000;
  PriceReadings readings;
  for (const auto& sku : prices.skus()) {
    const auto number = catalogue.find(sku.sku_id);
    for (const auto& window : windows) {
      const auto w = window.window;
      const auto days = window.days;
      for (auto from = days.first; from <= days.last;) {
        const auto guide = number ? catalogue.guide_price(*number, from) : std::nullopt;
        const auto until = number ? std::min(days.last, catalogue.guide_price_holds_until(*number, from)) : days.last;
        for (const auto& [price, series] : sku.prices) {
          const auto count = series.between(from, until);
          if (count == 0 || !price_plausible(price, guide)) continue;
          readings.fen.add(price, w, count);
          if (guide) readings.index.add(kBasisPoints * price / *guide, w, count);
        }
        from = until + 1;
      }
    }
  }
  readings.sort();
  return readings;
}

}  // namespace fiverate
