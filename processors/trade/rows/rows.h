// From the cells of leaves to published rows: windows, roll-up over regions, coverage, prices. The last pure step before a
// number leaves the house.
//
//   DayRows day(regions, catalogue, as_of, counties_known_before, market_cells);   // once a day: outlets, counties
//   for each brand: day.brand_rows("B1", cells_of_b1)                              // needs every leaf cell of the brand
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics.pb.h"
#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/segments.h"
#include "processors/trade/reference/region_tree.h"
#include "processors/trade/rows/series.h"

namespace fiverate {

using LeafCells = std::vector<std::pair<CellKey, const Cell*>>;

class DayRows {
 public:
  // `market_cells`: those of brand "". A county counts if its arrival is before `counties_known_before`. Tree, catalogue
  // (for guide prices) and cells must outlive this.
  DayRows(RegionTree& regions, const Catalogue& catalogue, Day as_of, Millis counties_known_before,
          const LeafCells& market_cells);

  // Rows with anything to report, sorted by (region_id, class_dimension). Status and revision are left to the caller.
  [[nodiscard]] std::vector<MetricsRow> brand_rows(std::string_view brand_id, const LeafCells& cells) const;
  // The rows of brand "": active and dormant outlets, visits, data quality.
  [[nodiscard]] std::vector<MetricsRow> market_rows() const;

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
  // A column an aggregate of one class line, indexed by region.
  template <typename Value>
  using ByClass = std::map<ClassKey, std::vector<Value>>;
  using LineSums = std::array<BrandValues, kWindowCount>;

  template <typename Value, typename Fill>
  std::vector<MetricsRow> collect(std::string_view brand_id, const ByClass<Value>& lines, Fill&& fill) const;
  [[nodiscard]] LineSums sums_of(const Cell& cell) const;
  void add_prices(const LeafCells& cells, ByClass<LineSums>& lines) const;

  RegionTree& regions_;
  const Catalogue& catalogue_;
  Day as_of_;
  std::array<WindowDays, kWindowCount> windows_;
  std::vector<std::size_t> by_name_;             // regions sorted by id
  std::vector<std::vector<std::size_t>> paths_;  // of each region
  std::vector<bool> county_;                     // counts as a county on this day
  std::vector<std::int64_t> counties_;           // at or under each region
  ByClass<Outlets> outlets_;
  const Cell* quality_ = nullptr;  // the cell of region "", all classes
};

}  // namespace fiverate
