// The tree of regions. Its root is the whole market, region_id "". A region never changes its parent, and the reference
// stage accepts a region only below one of a higher level, so the tree has no cycles.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event.pb.h"
#include "processors/trade/reference/catalogue.h"
#include "schemas/time.h"

namespace fiverate {

// From this arrival on the region is a county, or no longer one (cancelled).
struct CountyChange {
  Millis arrival;
  bool is_county;
};

// What the tree keeps of one region, and restores it from.
struct RegionHistory {
  Region region;                             // of the latest event
  std::vector<CountyChange> county_changes;  // by arrival; the first is that of the region's first event
};

class RegionTree {
 public:
  static constexpr std::size_t kRoot = 0;

  RegionTree();

  // Applies an accepted region event. Returns the index of the region.
  std::size_t apply(const Event& event, Millis arrival);
  // Restores a region. Children and parents may come in any order.
  void restore(RegionHistory history);

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] const std::string& region_id(std::size_t region) const { return nodes_[region].region_id; }
  [[nodiscard]] const RegionHistory& history(std::size_t region) const { return nodes_[region].history; }
  // Whether the region counts as a county by the events that arrived before an instant. An event that arrives after a
  // day is final has no effect on that day.
  [[nodiscard]] bool is_county(std::size_t region, Millis before) const;
  // Whether the regional rules are evaluated for it: a county, city or province of which an event arrived before an
  // instant.
  [[nodiscard]] bool has_regional_rules(std::size_t region, Millis before) const;
  // The index of a region. An unknown region becomes a child of the root.
  std::size_t index_of(std::string_view region_id);
  // The region, its parent and so on, up to and including the root.
  [[nodiscard]] std::vector<std::size_t> path_of(std::size_t region) const;

 private:
  struct Node {
    std::string region_id;
    std::size_t parent = kRoot;
    RegionHistory history;
  };
  std::vector<Node> nodes_;
  StringMap<std::size_t> by_id_;
};

}  // namespace fiverate
