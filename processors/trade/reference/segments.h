// Segments: where an outlet counts, that is its region with one value of each class dimension. A brand in a segment is a cell, the
// smallest part of the market that has numbers of its own. Rows of regions and of class values are sums of cells.
//
//   segment (east, {channel: a, size: big})  counts in  (east), (east, channel = a), (east, size = big) and in all regions above
//
// Numbers are given in the order of first use and hold in one process only.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "event.pb.h"

namespace fiverate {

enum class SegmentNumber : std::uint32_t {};
inline constexpr SegmentNumber kNoSegment{0};    // What is there counts nowhere.
inline constexpr SegmentNumber kWholeMarket{1};  // Region "", all classes: for what belongs to no region.

struct ClassKey {
  std::string dimension;  // both empty: all classes
  std::string value;
  friend auto operator<=>(const ClassKey&, const ClassKey&) = default;
};

struct Segment {
  std::string region_id;
  std::vector<ClassKey> classes;  // ascending, each dimension once
  friend auto operator<=>(const Segment&, const Segment&) = default;
};
// `classes` may come in any order, with each dimension once.
template <typename ClassValues>
Segment make_segment(std::string region_id, const ClassValues& classes);

// The reverse: adds the class values of a segment to a repeated field.
template <typename ClassValues>
void add_classes(const Segment& segment, ClassValues& classes) {
  for (const auto& one : segment.classes) {
    ClassValue& value = *classes.Add();
    value.set_dimension(one.dimension);
    value.set_value(one.value);
  }
}

class Segments {
 public:
  Segments();

  // Region "" gives kNoSegment.
  SegmentNumber number_of(const std::string& region_id, std::span<const ClassValue> classes);
  [[nodiscard]] const Segment& segment(SegmentNumber number) const {
    return *segments_[static_cast<std::size_t>(number)];
  }

 private:
  std::map<Segment, SegmentNumber> numbers_;
  std::vector<const Segment*> segments_;  // the keys of numbers_, by number
};

template <typename ClassValues>
Segment make_segment(std::string region_id, const ClassValues& classes) {
  Segment segment{std::move(region_id), {}};
  for (const ClassValue& value : classes) segment.classes.push_back({value.dimension(), value.value()});
  std::sort(segment.classes.begin(), segment.classes.end());
  return segment;
}

}  // namespace fiverate
