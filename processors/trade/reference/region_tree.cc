#include "processors/trade/reference/region_tree.h"

#include <algorithm>
#include <utility>

namespace fiverate {

RegionTree::RegionTree() {
  nodes_.push_back({"", kRoot, {}});
  by_id_.emplace("", kRoot);
}

std::size_t RegionTree::index_of(std::string_view region_id) {
  if (const auto found = by_id_.find(region_id); found != by_id_.end()) return found->second;
  nodes_.push_back({std::string(region_id), kRoot, {}});
  by_id_.emplace(std::string(region_id), nodes_.size() - 1);
  return nodes_.size() - 1;
}

std::size_t RegionTree::apply(const Event& event, Millis arrival) {
  const auto region = index_of(event.region().region_id());
  const auto parent = index_of(event.region().parent_id());
  auto& node = nodes_[region];
  node.parent = parent;
  node.history.region = event.region();
  const bool is_county = event.region().level() == Region::COUNTY && !event.cancelled();
  auto& changes = node.history.county_changes;
  if (changes.empty() || changes.back().is_county != is_county) changes.push_back({arrival, is_county});
  return region;
}

void RegionTree::restore(RegionHistory history) {
  const auto region = index_of(history.region.region_id());
  const auto parent = index_of(history.region.parent_id());
  nodes_[region].parent = parent;
  nodes_[region].history = std::move(history);
}

bool RegionTree::is_county(std::size_t region, Millis before) const {
  const auto& changes = nodes_[region].history.county_changes;
  const auto latest =
      std::find_if(changes.rbegin(), changes.rend(), [&](const auto& change) { return change.arrival < before; });
  return latest != changes.rend() && latest->is_county;
}

bool RegionTree::has_regional_rules(std::size_t region, Millis before) const {
  const auto& history = nodes_[region].history;
  const auto level = history.region.level();
  return (level == Region::COUNTY || level == Region::CITY || level == Region::PROVINCE) &&
         !history.county_changes.empty() && history.county_changes.front().arrival < before;
}

std::vector<std::size_t> RegionTree::path_of(std::size_t region) const {
  std::vector<std::size_t> path{region};
  while (path.back() != kRoot) path.push_back(nodes_[path.back()].parent);
  return path;
}

}  // namespace fiverate
