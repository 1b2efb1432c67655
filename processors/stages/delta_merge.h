// Merges the dated differences of many ledger records. A flush drains them as one Deltas record for each market
// partition: summed, in canonical order, in several pieces if it is large. Cells without a brand (activity of outlets,
// data quality) go to every market partition, since the rates of all brands need them.
#pragma once

#include <cstdint>
#include <vector>

#include "deltas.pb.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/delta.h"

namespace fiverate {

class DeltaMerge {
 public:
  // A flush is due at so many differences, which take 1.5 MiB. It depends on the records alone, so that a replay flushes
  // where the live run flushed.
  static constexpr std::size_t kDifferencesMax = 65'536;
  static constexpr std::size_t kPieceBytes = 512 * 1024;

  // Adds those that are selected. Others need not be made, but may be.
  void add(const Differences& differences, const Selection& selection);
  [[nodiscard]] bool full() const { return deltas_.size() + prices_.size() >= kDifferencesMax; }

  // Removes and returns everything that was added: for each market partition its pieces, of which only `columns` is set.
  // A partition that gets no cells has one empty piece if `even_if_empty`, else none.
  std::vector<std::vector<Deltas>> drain(const MarketContext& context, std::int32_t market_partitions,
                                         bool even_if_empty);

 private:
  // A difference under a number whose order is the canonical order.
  struct Entry {
    std::uint64_t key;
    std::int64_t value;
  };
  class Ranks;
  struct Keys;

  [[nodiscard]] std::vector<Entry> sorted_entries(const Keys& keys) const;
  void sort_prices(const Keys& keys);

  std::vector<DatedDelta> deltas_;
  std::vector<PriceDelta> prices_;
};

}  // namespace fiverate
