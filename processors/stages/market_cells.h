// The cells of a market task: names and numbers, the differences by day, the running values as of two days, and price readings.
//
//   final_values   as of the last day whose FINAL rows were written
//   live_values    as of the day of LIVE rows and of the regional rules, which is today by the clock of the task
//
// Keys of the store: n/<cell> names, f/<cell> values of FINAL rows, v/<cell> values of LIVE rows, q/<cell> price readings, where
// <cell> is its number as 8 hex digits; b/ differences (day_differences.h).
#pragma once

#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "deltas.pb.h"
#include "processors/stages/day_differences.h"
#include "processors/stream/ports.h"
#include "processors/trade/reference/region_tree.h"
#include "processors/trade/reference/segments.h"
#include "processors/trade/rows/rows.h"
#include "processors/trade/rows/running_values.h"
#include "processors/trade/rows/series.h"
#include "state.pb.h"

namespace fiverate {

class MarketCells {
 public:
  struct Cell {
    std::string brand_id;
    const Segment* segment;
    std::span<const std::uint32_t> lines;  // those of rows in which the segment counts
    std::size_t region;                    // the index of the segment's region in the tree
  };
  using ByBrand = std::map<std::string, std::vector<CellNumber>>;

  // `regions` must outlive this object. `live_rows` false: the live values are those of the regional rules alone.
  MarketCells(RegionTree& regions, const Selection& selection, bool live_rows);

  [[nodiscard]] Result<void> open(const Store& store, Day final_day, Day live_day);
  void save(StoreBatch& batch);

  // Adds differences and readings of prices. Returns the number of each cell of the columns.
  std::vector<CellNumber> add(const DeltaColumns& columns);
  [[nodiscard]] Result<void> move_final_to(Day day) { return differences_.move(final_values_, day); }
  [[nodiscard]] Result<void> move_live_to(Day day) { return differences_.move(live_values_, day); }
  // Drops what no row of a day after that of the final values needs.
  [[nodiscard]] Result<void> drop_old();

  [[nodiscard]] const Cell& cell(CellNumber number) const { return cells_[static_cast<std::size_t>(number)]; }
  [[nodiscard]] std::size_t size() const { return cells_.size(); }
  [[nodiscard]] const ByBrand& by_brand() const { return by_brand_; }  // also brand ""
  [[nodiscard]] const RunningValues& final_values() const { return final_values_; }
  [[nodiscard]] const RunningValues& live_values() const { return live_values_; }
  // For rows as of the day of `values`. It holds until the next change.
  [[nodiscard]] std::vector<CellOfDay> of_day(const std::vector<CellNumber>& cells, const RunningValues& values) const;
  [[nodiscard]] const LineNumbers& lines() const { return lines_; }

 private:
  struct Prices {
    CellPrices readings;
    bool changed = false;
  };
  struct SegmentCells {
    std::uint32_t number;
    std::vector<std::uint32_t> lines;
  };
  using Segments = std::map<Segment, SegmentCells>;

  [[nodiscard]] std::vector<CellNumber> numbers_of(const DeltaColumns& columns);
  [[nodiscard]] std::uint32_t number_of_brand(const std::string& brand_id);
  [[nodiscard]] Segments::const_iterator number_of_segment(Segment segment);
  CellNumber number_of(const std::string& brand_id, std::uint32_t brand, Segments::const_iterator segment);

  RegionTree& regions_;
  LineNumbers lines_;
  std::unordered_map<std::string, std::uint32_t> brands_;
  Segments segments_;
  std::vector<Cell> cells_;
  std::unordered_map<std::uint64_t, CellNumber> numbers_;  // by the numbers of brand and segment
  ByBrand by_brand_;
  DayDifferences differences_;
  RunningValues final_values_;
  RunningValues live_values_;
  std::map<CellNumber, Prices> prices_;
  std::size_t saved_cells_ = 0;  // so many have names in the store
};

}  // namespace fiverate
