#include "processors/trade/reference/region_tree.h"

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

RegionState RegionTree::apply(const Event& event, Millis arrival) {
  auto state = nodes_[index_of(event.region().region_id())].state;
  *state.mutable_region() = event.region();
  const bool county = event.region().level() == Region::COUNTY && !event.cancelled();
  const auto said = state.county_size();
  if (said == 0 || state.county(said - 1) != county) {  // a new name changes nothing
    state.add_arrivals(arrival);
    state.add_county(county);
  }
  restore(state);
  return state;
}

void RegionTree::restore(const RegionState& state) {
  const auto region = index_of(state.region().region_id());
  const auto parent = index_of(state.region().parent_id());
  nodes_[region].parent = parent;
  nodes_[region].state = state;
}

bool RegionTree::is_county(std::size_t region, Millis before) const {
  const auto& state = nodes_[region].state;
  for (int i = state.county_size(); i-- > 0;) {
    if (state.arrivals(i) < before) return state.county(i);
  }
  return false;
}

bool RegionTree::has_regional_rules(std::size_t region, Millis before) const {
  const auto& state = nodes_[region].state;
  const auto level = state.region().level();
  return (level == Region::COUNTY || level == Region::CITY || level == Region::PROVINCE) && state.arrivals_size() > 0 &&
         state.arrivals(0) < before;
}

std::vector<std::size_t> RegionTree::path_of(std::size_t region) const {
  std::vector<std::size_t> path{region};
  while (path.back() != kRoot) path.push_back(nodes_[path.back()].parent);
  return path;
}

}  // namespace fiverate
