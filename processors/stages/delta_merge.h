// Collects the dated deltas of many records and turns them, at a cut, into one Deltas a market partition: merged, in canonical
// order, in pieces if large. What concerns whole outlets and data quality (brand "") goes to every market partition, since all
// brands' rates need it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "deltas.pb.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/delta.h"

namespace fiverate {

class DeltaMerge {
 public:
  // A cut is due when this many different (cell, contribution, day) or prices have come together: about 512 KiB. A function of
  // the records alone, so that cuts fall where they fell before.
  static constexpr std::size_t kKeysMax = 65'536;
  static constexpr std::size_t kPieceBytes = 512 * 1024;

  void add(const Differences& differences, const MarketContext& context);
  [[nodiscard]] bool full() const { return merged_.size() + prices_.size() >= kKeysMax; }

  // Everything collected, by market partition, each in pieces (cells only; at least one piece if `even_if_empty`). Empties this.
  std::vector<std::vector<Deltas>> take(const MarketContext& context, std::int32_t market_partitions, bool even_if_empty);

 private:
  struct Key {
    BrandNumber brand;
    CellNumber leaf;
    Day day;
    Contribution contribution;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct PriceKey {
    BrandNumber brand;
    CellNumber leaf;
    SkuNumber sku;
    std::int64_t price;
    Day day;
    friend auto operator<=>(const PriceKey&, const PriceKey&) = default;
  };
  void add_prices(const MarketContext& context, CellDeltas& cell, BrandNumber brand, CellNumber leaf) const;

  std::unordered_map<Key, std::int64_t, KeyHash> merged_;
  std::map<PriceKey, std::int64_t> prices_;
};

}  // namespace fiverate
