// Dated differences of many cells as columns (DeltaColumns of deltas.proto): what an outlet task sends to a market task.
//
// A cell is a brand in a segment. Names stand in the columns once; everything else refers to them by index. Differences
// are sorted by day, cell and contribution, cells by brand id and segment, readings of prices by cell, SKU id, price and
// day. So the columns depend only on the differences.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "deltas.pb.h"
#include "processors/trade/measures/measure.h"
#include "processors/trade/reference/segments.h"
#include "schemas/time.h"

namespace fiverate {

// A difference of one day. `cell` is an index.
struct ColumnDifference {
  std::uint32_t cell;
  Contribution contribution;
  std::int64_t value;
};

// Whether columns have the right lengths, indexes and numbers are within their ranges, and a cell has only contributions
// of a brand, or of whole outlets for brand "".
[[nodiscard]] bool is_valid(const DeltaColumns& columns);

// Calls `visit(day, differences)` for each day, ascending. The columns must be valid.
template <typename Visit>
void each_day(const DeltaColumns& columns, Visit&& visit) {
  thread_local std::vector<ColumnDifference> of_day;
  Day day{0};
  int next = 0;
  for (int i = 0; i < columns.days_size(); ++i) {
    day = day + columns.days(i);
    of_day.clear();
    std::uint32_t cell = 0;
    for (const auto end = next + static_cast<int>(columns.day_sizes(i)); next < end; ++next) {
      cell += columns.cells(next);
      of_day.push_back({cell, static_cast<Contribution>(columns.contributions(next)), columns.values(next)});
    }
    visit(day, std::span<const ColumnDifference>(of_day));
  }
}

[[nodiscard]] inline const std::string& brand_of(const DeltaColumns& columns, std::uint32_t cell) {
  return columns.brand_ids(static_cast<int>(columns.cell_brands(static_cast<int>(cell))));
}
[[nodiscard]] inline const DeltaColumns::Segment& segment_of(const DeltaColumns& columns, std::uint32_t cell) {
  return columns.segments(static_cast<int>(columns.cell_segments(static_cast<int>(cell))));
}

// Makes columns. Cells must come in ascending order, and what belongs to a cell after begin_cell().
class DeltaColumnsBuilder {
 public:
  void begin_cell(const std::string& brand_id, SegmentNumber number, const Segment& segment);
  // In order of contributions and days.
  void add(Contribution contribution, Day day, std::int64_t value) {
    differences_.push_back({{static_cast<std::uint32_t>(columns_.cell_brands_size() - 1), contribution, value}, day});
  }
  void add_price(const std::string& sku_id, std::int64_t price, Day day, std::int64_t count);

  [[nodiscard]] bool empty() const { return columns_.cell_brands().empty(); }
  // About so many bytes the columns have.
  [[nodiscard]] std::size_t bytes() const;
  // Returns the columns and begins new ones.
  [[nodiscard]] DeltaColumns release();

 private:
  struct Dated {
    ColumnDifference difference;
    Day day;
  };

  [[nodiscard]] std::vector<std::uint32_t> positions_by_day() const;

  DeltaColumns columns_;
  std::vector<Dated> differences_;
  std::map<SegmentNumber, std::uint32_t> segments_;
  std::map<std::string, std::uint32_t> skus_;
  std::size_t name_bytes_ = 0;
};

// Those differences of brands whose contribution `keep` accepts. Readings of prices are left out.
template <typename Keep>
DeltaColumns only(const DeltaColumns& columns, Keep&& keep) {
  DeltaColumns kept;
  *kept.mutable_brand_ids() = columns.brand_ids();
  *kept.mutable_segments() = columns.segments();
  *kept.mutable_cell_brands() = columns.cell_brands();
  *kept.mutable_cell_segments() = columns.cell_segments();
  Day day_before{0};
  each_day(columns, [&](Day day, std::span<const ColumnDifference> differences) {
    std::uint32_t cell_before = 0;
    const auto size_before = kept.cells_size();
    for (const auto& one : differences) {
      if (!keep(one.contribution) || brand_of(columns, one.cell).empty()) continue;
      kept.add_cells(one.cell - std::exchange(cell_before, one.cell));
      kept.add_contributions(static_cast<std::uint32_t>(one.contribution));
      kept.add_values(one.value);
    }
    if (kept.cells_size() == size_before) return;
    kept.add_days(day - std::exchange(day_before, day));
    kept.add_day_sizes(static_cast<std::uint32_t>(kept.cells_size() - size_before));
  });
  return kept;
}

}  // namespace fiverate
