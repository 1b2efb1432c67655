// From the running values of cells to published rows: roll-up over class values and regions, coverage, price quartiles.
//
//   DayRows day(regions, catalogue, lines, layouts, as_of, counties_known_before, market_cells);   // once a day: outlets, counties
//   for each brand: day.brand_rows("B1", cells_of_b1)                              // all cells of the brand
#pragma once

#include <array>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/region_tree.h"
#include "processors/trade/reference/segments.h"
#include "processors/trade/rows/prices.h"
#include "processors/trade/rows/row_encoding.h"
#include "processors/trade/rows/running_values.h"
#include "processors/trade/rows/series.h"

namespace fiverate {

// The lines of rows: the total and the class values, numbered in order of first use.
class LineNumbers {
 public:
  LineNumbers() { number_of({}); }
  // The lines in which a segment counts: the total, then its class values.
  [[nodiscard]] std::vector<std::uint32_t> lines_of(const Segment& segment);
  [[nodiscard]] const std::map<ClassKey, std::uint32_t>& by_key() const { return by_key_; }

  static constexpr std::uint32_t kTotal = 0;

 private:
  std::uint32_t number_of(const ClassKey& key);
  std::map<ClassKey, std::uint32_t> by_key_;  // the total comes first: its dimension is ""
};

// A cell as of the day of the rows.
struct CellOfDay {
  std::span<const std::uint32_t> lines;  // of its segment
  std::size_t region;                    // the index of the segment's region
  const std::int64_t* values;            // in the layout of a brand or of brand ""
  const CellPrices* prices;              // null without any
};

// The sums of cells for each class value and region, made anew for each brand.
class LineSums {
 public:
  // `extra`: values of a line beyond those of a cell.
  LineSums(const CellLayout& layout, std::size_t extra) : layout_(layout), block_size_(layout.size() + extra) {}

  void begin(std::size_t regions);
  void add(std::size_t line, std::size_t region, const std::int64_t* values);
  // Adds each region to the one above. `lowest_first`: regions, those below before those above; `above`: by region.
  void roll_up(std::span<const std::size_t> lowest_first, std::span<const std::size_t> above);

  [[nodiscard]] std::size_t lines() const { return blocks_.size(); }
  // Null if no cell has been added.
  [[nodiscard]] std::int64_t* at(std::size_t line, std::size_t region) const {
    return line < blocks_.size() ? blocks_[line][region] : nullptr;
  }
  [[nodiscard]] const CellLayout& layout() const { return layout_; }

 private:
  std::int64_t* block(std::size_t line, std::size_t region);

  const CellLayout& layout_;
  std::size_t block_size_;
  std::size_t regions_ = 0;
  std::vector<std::vector<std::int64_t*>> blocks_;          // by line and region
  std::vector<std::unique_ptr<std::int64_t[]>> allocated_;  // reused for the next brand
  std::size_t used_ = 0;
};

class DayRows {
 public:
  // `market_cells` are those of brand "". A county counts if its first record arrived before `counties_known_before`. Rows have the
  // windows and measures that the layouts of cells select. The first four arguments must outlive this object.
  DayRows(const RegionTree& regions, const Catalogue& catalogue, const LineNumbers& lines, const CellLayouts& layouts,
          Day as_of, Millis counties_known_before, std::span<const CellOfDay> market_cells);

  // The rows that have anything to report, sorted by (region_id, class_dimension); of those regions alone for which `only` is true,
  // if it is not empty.
  [[nodiscard]] std::vector<Row> brand_rows(std::string_view brand_id, std::span<const CellOfDay> cells,
                                            const std::vector<bool>& only = {});
  // The rows of brand "": active and dormant outlets, visits, data quality.
  [[nodiscard]] std::vector<Row> market_rows(const std::vector<bool>& only = {}) const;

 private:
  // By line and region. Empty: no prices were read.
  using LinePrices = std::vector<std::vector<PriceReadings>>;

  void sum(std::span<const CellOfDay> cells, LineSums& sums) const;
  [[nodiscard]] LinePrices prices_of(std::span<const CellOfDay> cells) const;
  void add_covered_counties();
  [[nodiscard]] std::int64_t net_delivered(const std::int64_t* line, std::size_t window) const;
  [[nodiscard]] BrandValues values_of(std::size_t line, std::size_t region, std::size_t window) const;
  void fill_outlets(const std::int64_t* line, std::size_t window, BrandValues& values) const;
  void fill_data_quality(const std::int64_t* line, std::size_t window, std::span<std::int64_t> values) const;
  // `append_windows(line, region, windows)` encodes the windows of a line that have something to report.
  template <typename AppendWindows>
  std::vector<Row> collect(std::string_view brand_id, const LineSums& sums, const std::vector<bool>& only,
                           AppendWindows&& append_windows) const;

  const RegionTree& regions_;
  const Catalogue& catalogue_;
  const LineNumbers& lines_;
  const Selection& selection_;
  Day as_of_;
  std::vector<WindowDays> windows_;
  std::vector<DerivedMeasure> steps_, window_steps_, day_steps_,
      flows_;                                    // selected, by the kind of their contributions
  std::vector<std::size_t> by_name_;             // indices of regions, sorted by region id
  std::vector<std::size_t> lowest_first_;        // the same, those below before those above
  std::vector<std::vector<std::size_t>> paths_;  // by region: itself and the regions above it
  std::vector<std::size_t> above_;               // by region: the one above; the root is above the root
  std::vector<bool> county_;                     // by region: it counts as a county on this day
  std::vector<std::int64_t> counties_;           // by region: counties at or under it
  LineSums market_;                              // of brand ""
  LineSums brand_;  // of the brand at hand; its extra values count covered counties by window
};

}  // namespace fiverate
