// Segments: where an outlet counts, that is its region with one value of each class dimension. Cells: the parts that a
// segment adds to, all of them in the segment's own region: one for all classes together and one for each class value.
//
//   segment (east, {channel: a, size: big})  ->  cells (east), (east, channel = a), (east, size = big)
//
// Higher regions have no cells of outlets under them: the market stage rolls cells up over the region tree.
// Numbers are given in the order of first use and hold in one process only.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "event.pb.h"

namespace fiverate {

enum class SegmentNumber : std::uint32_t {};
enum class CellNumber : std::uint32_t {};
inline constexpr SegmentNumber kNoSegment{0};    // It has no cells: what is there counts nowhere.
inline constexpr SegmentNumber kWholeMarket{1};  // Region "", all classes: for what belongs to no region.

// Identifies a cell among those of one brand. Dimension and value are both empty for all classes together.
struct CellKey {
  std::string region_id;
  std::string class_dimension;
  std::string class_value;
  friend auto operator<=>(const CellKey&, const CellKey&) = default;
};

class Segments {
 public:
  Segments();

  // `classes` may come in any order, with each dimension once. Region "" gives kNoSegment.
  SegmentNumber number_of(const std::string& region_id, std::span<const ClassValue> classes);
  [[nodiscard]] std::span<const CellNumber> cells_of(SegmentNumber segment) const {
    return cells_of_segment_[static_cast<std::size_t>(segment)];
  }
  [[nodiscard]] const CellKey& cell(CellNumber number) const { return cells_[static_cast<std::size_t>(number)]; }
  // The names of a segment, from which number_of() gives it again; classes are sorted by dimension.
  [[nodiscard]] const std::string& region_of(SegmentNumber segment) const;
  [[nodiscard]] std::vector<ClassValue> classes_of(SegmentNumber segment) const;

 private:
  CellNumber number_of_cell(CellKey key);

  std::map<CellKey, CellNumber> cell_numbers_;
  std::vector<CellKey> cells_;
  std::map<std::vector<CellNumber>, SegmentNumber> segment_numbers_;
  std::vector<std::vector<CellNumber>> cells_of_segment_;
};

}  // namespace fiverate
