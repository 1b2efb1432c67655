#include "processors/trade/reference/places.h"

#include <algorithm>

namespace fiverate {

Places::Places() : leaves_of_place_(1) {
  leaves_of_place_.push_back({number_of_leaf({"", "", ""})});
}

LeafNumber Places::number_of_leaf(Leaf leaf) {
  const auto [found, added] = leaf_numbers_.try_emplace(leaf, static_cast<LeafNumber>(leaves_.size()));
  if (added) leaves_.push_back(std::move(leaf));
  return found->second;
}

PlaceNumber Places::number_of(const std::string& region_id, std::span<const ClassValue> classes) {
  if (region_id.empty()) return kNowhere;
  std::vector<const ClassValue*> sorted;
  for (const auto& value : classes) sorted.push_back(&value);
  std::sort(sorted.begin(), sorted.end(),
            [](const ClassValue* a, const ClassValue* b) { return a->dimension() < b->dimension(); });
  std::vector<LeafNumber> leaves{number_of_leaf({region_id, "", ""})};
  for (const auto* value : sorted) leaves.push_back(number_of_leaf({region_id, value->dimension(), value->value()}));
  const auto [found, added] = place_numbers_.try_emplace(leaves, static_cast<PlaceNumber>(leaves_of_place_.size()));
  if (added) leaves_of_place_.push_back(std::move(leaves));
  return found->second;
}

const std::string& Places::region_of(PlaceNumber place) const {
  static const std::string kNone;
  const auto leaves = leaves_of(place);
  return leaves.empty() ? kNone : leaf(leaves.front()).region_id;
}

std::vector<ClassValue> Places::classes_of(PlaceNumber place) const {
  std::vector<ClassValue> classes;
  const auto leaves = leaves_of(place);
  for (std::size_t i = 1; i < leaves.size(); ++i) {
    ClassValue value;
    value.set_dimension(leaf(leaves[i]).class_dimension);
    value.set_value(leaf(leaves[i]).class_value);
    classes.push_back(std::move(value));
  }
  return classes;
}

}  // namespace fiverate
