// The regions and who lies under whom. The whole market is the root, region_id "". Parents come before children and never
// change, so there are no cycles.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event.pb.h"
#include "processors/trade/reference/catalogue.h"
#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

class RegionTree {
 public:
  static constexpr std::size_t kRoot = 0;

  RegionTree();

  // Takes an accepted region event. Returns the region's state, to be stored.
  RegionState apply(const Event& event, Millis arrival);
  // Takes back a stored one, in any order of children and parents.
  void restore(const RegionState& state);

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] const std::string& region_id(std::size_t region) const { return nodes_[region].region_id; }
  // Whether it is to be counted as a county by what arrived before an instant: what comes after a day was final is not in
  // force for it, be it a county or its cancellation.
  [[nodiscard]] bool is_county(std::size_t region, Millis before) const;
  // Whether regional rules are asked of it, by what arrived before an instant: a county, city or province.
  [[nodiscard]] bool has_regional_rules(std::size_t region, Millis before) const;
  // The node of a region; an unknown one becomes a child of the root.
  std::size_t index_of(std::string_view region_id);
  // The region itself, its parent, ..., the root.
  [[nodiscard]] std::vector<std::size_t> path_of(std::size_t region) const;

 private:
  struct Node {
    std::string region_id;
    std::size_t parent = kRoot;
    RegionState state;
  };
  std::vector<Node> nodes_;
  StringMap<std::size_t> by_id_;
};

}  // namespace fiverate
