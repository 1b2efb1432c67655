// A series stores dated differences as prefix sums: the sum of any window is the difference of two look-ups. Differences may come in
// any order of their days.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "deltas.pb.h"
#include "processors/trade/measures/measure.h"
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

  // The total of a flow up to the end of `day`, or the value of a step on `day`.
  [[nodiscard]] std::int64_t through(Day day) const {
    const auto after =
        std::upper_bound(entries_.begin(), entries_.end(), day, [](Day a, const Entry& b) { return a < b.day; });
    return after == entries_.begin() ? 0 : (after - 1)->sum;
  }
  // The total of a flow over [first, last].
  [[nodiscard]] std::int64_t between(Day first, Day last) const { return through(last) - through(first - 1); }
  [[nodiscard]] std::int64_t between(DayRange days) const { return between(days.first, days.last); }

  // The sum of the values that a step has on each day of [first, last].
  [[nodiscard]] std::int64_t days_between(Day first, Day last) const {
    std::int64_t sum = 0;
    auto after =
        std::upper_bound(entries_.begin(), entries_.end(), last, [](Day a, const Entry& b) { return a < b.day; });
    for (auto until = last + 1; after != entries_.begin() && until > first; until = after->day) {
      --after;
      sum += after->sum * (until - std::max(first, after->day));
    }
    return sum;
  }

  // Merges the entries before `day` into one. Windows that begin on `day` or later keep their sums.
  void fold_before(Day day) {
    const auto keep =
        std::lower_bound(entries_.begin(), entries_.end(), day, [](const Entry& a, Day b) { return a.day < b; });
    if (keep - entries_.begin() > 1) entries_.erase(entries_.begin(), keep - 1);
  }

  // Prefetches the newest entry, to which a difference is added soon. The entries of each series are apart in memory.
  void prefetch() const {
    if (!entries_.empty()) __builtin_prefetch(&entries_.back(), 1);
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

// The series of one brand, region and class value. Contributions without differences have no series.
class Cell {
 public:
  Series& of(Contribution contribution) {
    auto& index = index_[static_cast<std::size_t>(contribution)];
    if (index == 0) {
      series_.emplace_back(contribution, Series{});
      index = static_cast<std::uint8_t>(series_.size());
    }
    return series_[index - 1U].second;
  }
  [[nodiscard]] const Series& get(Contribution contribution) const {
    static const Series kEmpty;
    const auto index = index_[static_cast<std::size_t>(contribution)];
    return index == 0 ? kEmpty : series_[index - 1U].second;
  }
  SkuPrices& prices_of(std::string_view sku_id) {
    const auto at = std::lower_bound(prices_.begin(), prices_.end(), sku_id,
                                     [](const SkuPrices& entry, std::string_view id) { return entry.sku_id < id; });
    if (at != prices_.end() && at->sku_id == sku_id) return *at;
    return *prices_.insert(at, SkuPrices{std::string(sku_id), {}});
  }
  [[nodiscard]] const std::vector<SkuPrices>& prices() const { return prices_; }
  [[nodiscard]] const std::vector<std::pair<Contribution, Series>>& series() const { return series_; }

  // Merges entries that no row of `first_open` or a later day needs. A step needs that day alone, a sum the longest window before it,
  // net deliveries also the same window a year earlier.
  void fold_before(Day first_open) {
    constexpr std::int32_t kYearEarlier = 364;
    const auto windows_begin = first_open - kLongestWindow;
    for (auto& [which, series] : series_) {
      const bool of_a_year = which == Contribution::delivered_units || which == Contribution::returned_units;
      series.fold_before(of_a_year                  ? windows_begin - kYearEarlier
                         : is_state_at_a_day(which) ? first_open
                                                    : windows_begin);
    }
    for (auto& sku : prices_) {
      for (auto& [price, series] : sku.prices) series.fold_before(windows_begin);
      std::erase_if(sku.prices, [&](const auto& entry) { return entry.second.entries().back().day < windows_begin; });
    }
    std::erase_if(prices_, [](const SkuPrices& sku) { return sku.prices.empty(); });
  }

  void add(const CellDeltas& part) {
    for (int i = 0; i < part.days_size(); ++i) {
      if (i + kPrefetched < part.days_size()) get(static_cast<Contribution>(part.measures(i + kPrefetched))).prefetch();
      of(static_cast<Contribution>(part.measures(i))).add(Day{part.days(i)}, part.values(i));
    }
    for (const auto& prices : part.prices()) add_prices(prices);
  }

  // `Prices` is CellDeltas::Prices, or the message of the same columns in which a cell is stored.
  template <typename Prices>
  void add_prices(const Prices& message) {
    auto& sku = prices_of(message.sku_id());
    for (int i = 0; i < message.days_size(); ++i)
      sku.of(message.prices(i)).add(Day{message.days(i)}, message.counts(i));
  }

 private:
  static constexpr int kPrefetched = 6;  // differences that are prefetched before they are added

  std::vector<std::pair<Contribution, Series>> series_;
  std::array<std::uint8_t, kContributionCount>
      index_{};                    // by contribution: its position in series_, counted from 1; 0 without a series
  std::vector<SkuPrices> prices_;  // sorted by SKU id
};

}  // namespace fiverate
