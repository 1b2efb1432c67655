// The readings of retail prices of a cell. A series stores dated differences as prefix sums: the sum of any window is the difference
// of two look-ups. Differences may come in any order of their days.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "processors/trade/base/units.h"
#include "processors/trade/base/window.h"
#include "schemas/time.h"

namespace fiverate {

class Series {
 public:
  struct Entry {
    Day day;
    std::int64_t sum;  // of all differences up to and including this day
  };

  void add(Day day, std::int64_t value) {
    // Most differences are of the newest days, so the search starts at the end.
    auto at = entries_.end();
    while (at != entries_.begin() && (at - 1)->day >= day) --at;
    if (at == entries_.end() || at->day != day) {
      const auto sum_before = at == entries_.begin() ? 0 : (at - 1)->sum;
      at = entries_.insert(at, {day, sum_before});
    }
    for (; at != entries_.end(); ++at) at->sum = wrapped_sum(at->sum, value);
  }

  // The total up to the end of `day`.
  [[nodiscard]] std::int64_t through(Day day) const {
    const auto after =
        std::upper_bound(entries_.begin(), entries_.end(), day, [](Day a, const Entry& b) { return a < b.day; });
    return after == entries_.begin() ? 0 : (after - 1)->sum;
  }
  // The total over [first, last].
  [[nodiscard]] std::int64_t between(Day first, Day last) const { return through(last) - through(first - 1); }

  // Merges the entries before `day` into one. Windows that begin on `day` or later keep their sums.
  void fold_before(Day day) {
    const auto keep =
        std::lower_bound(entries_.begin(), entries_.end(), day, [](const Entry& a, Day b) { return a.day < b; });
    if (keep - entries_.begin() > 1) entries_.erase(entries_.begin(), keep - 1);
  }

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  std::vector<Entry> entries_;  // ascending by day, one entry a day
};

// The number of readings of each retail price of a SKU, by day.
struct SkuPrices {
  std::string sku_id;
  std::vector<std::pair<std::int64_t, Series>> prices;  // by price in fen, ascending

  Series& of(std::int64_t price) {
    const auto at = std::lower_bound(prices.begin(), prices.end(), price,
                                     [](const auto& entry, std::int64_t value) { return entry.first < value; });
    return at != prices.end() && at->first == price ? at->second : prices.insert(at, {price, {}})->second;
  }
};

// The price readings of one cell: a brand in a segment.
class CellPrices {
 public:
  SkuPrices& of(std::string_view sku_id) {
    const auto at = std::lower_bound(skus_.begin(), skus_.end(), sku_id,
                                     [](const SkuPrices& entry, std::string_view id) { return entry.sku_id < id; });
    if (at != skus_.end() && at->sku_id == sku_id) return *at;
    return *skus_.insert(at, SkuPrices{std::string(sku_id), {}});
  }
  [[nodiscard]] const std::vector<SkuPrices>& skus() const { return skus_; }  // ascending by SKU id
  [[nodiscard]] bool empty() const { return skus_.empty(); }

  // Merges or drops entries that no row of `first_open` or a later day needs.
  void fold_before(Day first_open) {
    const auto windows_begin = first_open - kLongestWindow;
    for (auto& sku : skus_) {
      for (auto& [price, series] : sku.prices) series.fold_before(windows_begin);
      std::erase_if(sku.prices, [&](const auto& entry) { return entry.second.entries().back().day < windows_begin; });
    }
    std::erase_if(skus_, [](const SkuPrices& sku) { return sku.prices.empty(); });
  }

  // `Prices` is the message in which the readings of a SKU are stored.
  template <typename Prices>
  void add(const Prices& message) {
    auto& sku = of(message.sku_id());
    for (int i = 0; i < message.days_size(); ++i)
      sku.of(message.prices(i)).add(Day{message.days(i)}, message.counts(i));
  }

 private:
  std::vector<SkuPrices> skus_;
};

}  // namespace fiverate
