#include "processors/trade/region_tree.h"

namespace fiverate {

RegionTree::RegionTree() {
  nodes_.push_back({"", kRoot, false, kNever});
  by_id_.emplace("", kRoot);
}

std::size_t RegionTree::index_of(std::string_view region_id) {
  if (const auto found = by_id_.find(region_id); found != by_id_.end()) return found->second;
  nodes_.push_back({std::string(region_id), kRoot, false, kNever});
  by_id_.emplace(std::string(region_id), nodes_.size() - 1);
  return nodes_.size() - 1;
}

void RegionTree::apply(const RegionState& state) {
  const auto index = index_of(state.region().region_id());
  const auto parent = index_of(state.region().parent_id());
  auto& node = nodes_[index];
  node.parent = parent;
  node.county = state.region().level() == Region::COUNTY && !state.cancelled();
  if (node.arrival == kNever) node.arrival = state.arrival_ms();
}

std::vector<std::size_t> RegionTree::path_of(std::size_t region) const {
  std::vector<std::size_t> path{region};
  while (path.back() != kRoot) path.push_back(nodes_[path.back()].parent);
  return path;
}

}  // namespace fiverate
