// Where an outlet counts: a region and class values, numbered in memory. Each place has leaves: one for all classes and one
// for each class value, at the region itself; regions are rolled up by market.
#pragma once

#include <compare>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "event.pb.h"

namespace fiverate {

enum class PlaceNumber : std::uint32_t {};
enum class LeafNumber : std::uint32_t {};
inline constexpr PlaceNumber kNowhere{0};      // no leaves: nothing counts
inline constexpr PlaceNumber kWholeMarket{1};  // region "", all classes: what belongs to no region

struct Leaf {
  std::string region_id;
  std::string class_dimension;  // both empty: all classes
  std::string class_value;
  friend auto operator<=>(const Leaf&, const Leaf&) = default;
};

class Places {
 public:
  Places();

  // `classes` in any order; a region of "" is nowhere.
  PlaceNumber number_of(const std::string& region_id, std::span<const ClassValue> classes);
  [[nodiscard]] std::span<const LeafNumber> leaves_of(PlaceNumber place) const {
    return leaves_of_place_[static_cast<std::size_t>(place)];
  }
  [[nodiscard]] const Leaf& leaf(LeafNumber number) const { return leaves_[static_cast<std::size_t>(number)]; }
  // For saving: the place as it came, classes sorted by dimension.
  [[nodiscard]] const std::string& region_of(PlaceNumber place) const;
  [[nodiscard]] std::vector<ClassValue> classes_of(PlaceNumber place) const;

 private:
  LeafNumber number_of_leaf(Leaf leaf);

  std::map<Leaf, LeafNumber> leaf_numbers_;
  std::vector<Leaf> leaves_;
  std::map<std::vector<LeafNumber>, PlaceNumber> place_numbers_;
  std::vector<std::vector<LeafNumber>> leaves_of_place_;
};

}  // namespace fiverate
