// Prefix sums of dated deltas: any window is a difference of two look-ups, and deltas may come in any order.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "processors/trade/measure.h"
#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

class Series {
 public:
  struct Entry {
    Day day;
    std::int64_t sum;  // of everything up to and including this day
  };

  void add(Day day, std::int64_t value) {
    // Deltas come mostly for the newest days: walk from the back.
    auto at = entries_.end();
    while (at != entries_.begin() && (at - 1)->day >= day) --at;
    if (at == entries_.end() || at->day != day) {
      const auto sum_before = at == entries_.begin() ? 0 : (at - 1)->sum;
      at = entries_.insert(at, {day, sum_before});
    }
    for (; at != entries_.end(); ++at) at->sum += value;
  }

  // A flow's total up to the end of `day`; a step's value on `day`.
  [[nodiscard]] std::int64_t through(Day day) const {
    const auto after = std::upper_bound(entries_.begin(), entries_.end(), day,
                                        [](Day a, const Entry& b) { return a < b.day; });
    return after == entries_.begin() ? 0 : (after - 1)->sum;
  }
  // A flow's total of [first, last].
  [[nodiscard]] std::int64_t between(Day first, Day last) const { return through(last) - through(first - 1); }

  // Merges everything before `day` into one entry: windows that begin on `day` or later do not change.
  void fold_before(Day day) {
    const auto keep = std::lower_bound(entries_.begin(), entries_.end(), day,
                                       [](const Entry& a, Day b) { return a.day < b; });
    if (keep - entries_.begin() > 1) entries_.erase(entries_.begin(), keep - 1);
  }

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  std::vector<Entry> entries_;  // ascending, one a day
};

// The series of one (brand, leaf): only those that something came for.
class Cell {
 public:
  Series& of(Contribution contribution) {
    for (auto& [which, series] : series_) {
      if (which == contribution) return series;
    }
    return series_.emplace_back(contribution, Series{}).second;
  }
  [[nodiscard]] const Series& get(Contribution contribution) const {
    static const Series kEmpty;
    for (const auto& [which, series] : series_) {
      if (which == contribution) return series;
    }
    return kEmpty;
  }
  void fold_before(Day day) {
    for (auto& [which, series] : series_) series.fold_before(day);
  }

  void save(CellState& state) const {
    for (const auto& [which, series] : series_) {
      std::int64_t sum_before = 0;
      for (const auto& entry : series.entries()) {
        state.add_contributions(static_cast<int>(which));
        state.add_days(entry.day.number);
        state.add_values(entry.sum - sum_before);
        sum_before = entry.sum;
      }
    }
  }
  static Cell load(const CellState& state) {
    Cell cell;
    for (int i = 0; i < state.days_size(); ++i) {
      cell.of(static_cast<Contribution>(state.contributions(i))).add(Day{state.days(i)}, state.values(i));
    }
    return cell;
  }

 private:
  std::vector<std::pair<Contribution, Series>> series_;
};

}  // namespace fiverate
