// From cells to published rows: sums over windows, roll-up over regions, coverage, price quartiles.
//
//   DayRows day(regions, catalogue, as_of, counties_known_before, market_cells);   // once a day: outlets, counties
//   for each brand: day.brand_rows("B1", cells_of_b1)                              // all cells of the brand
#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/region_tree.h"
#include "processors/trade/reference/segments.h"
#include "processors/trade/rows/row_encoding.h"
#include "processors/trade/rows/series.h"

namespace fiverate {

// Cells of one brand, each with the region and class value that it belongs to.
using CellsByKey = std::vector<std::pair<CellKey, const Cell*>>;

class DayRows {
 public:
  // `market_cells` are those of brand "". A county counts if its first record arrived before `counties_known_before`. Regions,
  // catalogue (for guide prices) and cells must outlive this object.
  DayRows(RegionTree& regions, const Catalogue& catalogue, Day as_of, Millis counties_known_before,
          const CellsByKey& market_cells);

  // The rows that have anything to report, sorted by (region_id, class_dimension).
  [[nodiscard]] std::vector<Row> brand_rows(std::string_view brand_id, const CellsByKey& cells) const;
  // The rows of brand "": active and dormant outlets, visits, data quality.
  [[nodiscard]] std::vector<Row> market_rows() const;

 private:
  using ClassKey = std::pair<std::string, std::string>;  // dimension, value
  struct Outlets {
    std::int64_t active = 0;
    std::int64_t dormant = 0;
    std::array<std::int64_t, kWindowCount> ordering{}, visits_done{}, visits_not_done{};

    void add(const Outlets& other);
  };
  struct WindowDays {
    DayRange days, previous, year_earlier;
  };
  // For each class value, its values by index of the region.
  template <typename Value>
  using ByClass = std::map<ClassKey, std::vector<Value>>;
  using LineSums = std::array<BrandValues, kWindowCount>;

  void add_outlets(const CellsByKey& market_cells);
  [[nodiscard]] LineSums sums_of(const Cell& cell) const;
  [[nodiscard]] ByClass<LineSums> sums_by_class(const CellsByKey& cells) const;
  void add_prices(const CellsByKey& cells, ByClass<LineSums>& lines) const;
  void add_covered_counties(ByClass<LineSums>& lines) const;
  void fill_data_quality(std::size_t window, std::span<std::int64_t> values) const;
  template <typename Value, typename AppendWindows>
  std::vector<Row> collect(std::string_view brand_id, const ByClass<Value>& lines,
                           AppendWindows&& append_windows) const;

  RegionTree& regions_;
  const Catalogue& catalogue_;
  Day as_of_;
  std::array<WindowDays, kWindowCount> windows_;
  std::vector<std::size_t> by_name_;             // indices of regions, sorted by region id
  std::vector<std::vector<std::size_t>> paths_;  // by region: itself and the regions above it
  std::vector<bool> county_;                     // by region: it counts as a county on this day
  std::vector<std::int64_t> counties_;           // by region: counties at or under it
  ByClass<Outlets> outlets_;
  const Cell* quality_ = nullptr;  // the cell of the whole market, which has the data quality
};

}  // namespace fiverate
