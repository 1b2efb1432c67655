// The regions and who lies under whom. The whole market is the root, region_id "". Parents come before children and never
// change, so there are no cycles.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event.pb.h"
#include "processors/trade/catalogue.h"
#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

class RegionTree {
 public:
  static constexpr std::size_t kRoot = 0;

  RegionTree();

  // Takes an accepted region event (its parent is known), or a stored one in any order of children and parents.
  void apply(const RegionState& state);

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] const std::string& region_id(std::size_t region) const { return nodes_[region].region_id; }
  [[nodiscard]] bool is_county(std::size_t region) const { return nodes_[region].county; }
  // Arrival of the region's first event; counties that came after a day was final are not counted for it.
  [[nodiscard]] Millis arrival(std::size_t region) const { return nodes_[region].arrival; }
  // The node of a region; an unknown one becomes a child of the root.
  std::size_t index_of(std::string_view region_id);
  // The region itself, its parent, ..., the root.
  [[nodiscard]] std::vector<std::size_t> path_of(std::size_t region) const;

 private:
  struct Node {
    std::string region_id;
    std::size_t parent = kRoot;
    bool county = false;
    Millis arrival = kNever;
  };
  std::vector<Node> nodes_;
  StringMap<std::size_t> by_id_;
};

}  // namespace fiverate
