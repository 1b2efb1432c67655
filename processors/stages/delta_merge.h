// Merges the dated differences of many ledger records. A flush drains them as one Deltas record for each market
// partition: summed, in canonical order, in several pieces if it is large. Cells without a brand (activity of outlets,
// data quality) go to every market partition, since the rates of all brands need them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "deltas.pb.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/delta.h"

namespace fiverate {

class DeltaMerge {
 public:
  // A flush is due at so many different keys, which take about 512 KiB. It depends on the records alone, so that a
  // replay flushes where the live run flushed.
  static constexpr std::size_t kKeysMax = 65'536;
  static constexpr std::size_t kPieceBytes = 512 * 1024;

  void add(const Differences& differences, const MarketContext& context);
  [[nodiscard]] bool full() const { return merged_.size() + prices_.size() >= kKeysMax; }

  // Removes and returns everything that was added: for each market partition its pieces, of which only `cells` is set.
  // A partition that gets no cells has one empty piece if `even_if_empty`, else none.
  std::vector<std::vector<Deltas>> drain(const MarketContext& context, std::int32_t market_partitions,
                                         bool even_if_empty);

 private:
  using Cell = std::pair<BrandNumber, CellNumber>;
  struct Key {
    BrandNumber brand;
    CellNumber cell;
    Day day;
    Contribution contribution;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };
  struct PriceKey {
    BrandNumber brand;
    CellNumber cell;
    SkuNumber sku;
    std::int64_t price;
    Day day;
    friend auto operator<=>(const PriceKey&, const PriceKey&) = default;
  };
  struct Entry {
    std::uint32_t rank;  // of its cell
    Key key;
    std::int64_t value;
  };

  // The cells with a difference that is not zero, in the order of their numbers.
  [[nodiscard]] std::vector<Cell> changed_cells() const;
  // The differences that are not zero, by rank of their cell, contribution and day.
  [[nodiscard]] std::vector<Entry> sorted_entries(const std::vector<Cell>& cells,
                                                  const std::vector<std::uint32_t>& rank_of) const;
  void add_prices(const MarketContext& context, Cell cell, CellDeltas& deltas) const;

  std::unordered_map<Key, std::int64_t, KeyHash> merged_;
  std::map<PriceKey, std::int64_t> prices_;
};

}  // namespace fiverate
