// Collects the dated deltas of many records and turns them, at a cut, into one Deltas a market partition: merged, in canonical
// order, in pieces if large. What concerns whole outlets and data quality (brand "") goes to every market partition, since all
// brands' rates need it.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "deltas.pb.h"
#include "processors/trade/outlet_facts.h"
#include "processors/trade/timeline.h"

namespace fiverate {

class DeltaMerge {
 public:
  // A cut is due when this many different (cell, contribution, day) have come together: about 512 KiB encoded. A function of
  // the records alone, so that cuts fall where they fell before.
  static constexpr std::size_t kKeysMax = 65'536;
  static constexpr std::size_t kPieceBytes = 512 * 1024;

  void add(const std::vector<DatedDelta>& deltas, const MarketContext& context);
  [[nodiscard]] bool full() const { return merged_.size() >= kKeysMax; }
  [[nodiscard]] bool empty() const { return merged_.empty(); }

  // Everything collected, by market partition, each in pieces (cells only; at least one piece if `even_if_empty`). Empties this.
  std::vector<std::vector<Deltas>> take(const MarketContext& context, std::int32_t market_partitions, bool even_if_empty);

 private:
  struct Key {
    BrandNumber brand;
    LeafNumber leaf;
    Day day;
    Contribution contribution;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  std::unordered_map<Key, std::int64_t, KeyHash> merged_;
};

}  // namespace fiverate
