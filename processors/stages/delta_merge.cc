#include "processors/stages/delta_merge.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <tuple>

#include "schemas/topics.h"

namespace fiverate {
namespace {

// The pieces of each market partition. A piece that has reached kPieceBytes gets no further cell.
class Pieces {
 public:
  Pieces(std::int32_t partitions, bool even_if_empty)
      : pieces_(static_cast<std::size_t>(partitions)), bytes_(pieces_.size(), 0) {
    if (even_if_empty) {
      for (auto& pieces : pieces_) pieces.emplace_back();
    }
  }

  void add(const CellDeltas& cell) {
    if (cell.brand_id().empty()) {
      for (std::size_t partition = 0; partition < pieces_.size(); ++partition) add(partition, cell);
    } else {
      const auto partition = partition_of(cell.brand_id(), static_cast<std::int32_t>(pieces_.size()));
      add(static_cast<std::size_t>(partition), cell);
    }
  }

  [[nodiscard]] std::vector<std::vector<Deltas>> release() { return std::move(pieces_); }

 private:
  void add(std::size_t partition, const CellDeltas& cell) {
    auto& pieces = pieces_[partition];
    if (pieces.empty() || bytes_[partition] >= DeltaMerge::kPieceBytes) {
      pieces.emplace_back();
      bytes_[partition] = 0;
    }
    bytes_[partition] += cell.ByteSizeLong();
    *pieces.back().add_cells() = cell;
  }

  std::vector<std::vector<Deltas>> pieces_;
  std::vector<std::size_t> bytes_;  // of the last piece
};

}  // namespace

std::size_t DeltaMerge::KeyHash::operator()(const Key& key) const {
  const auto cell = static_cast<std::uint64_t>(key.brand) << 32 | static_cast<std::uint64_t>(key.cell);
  const auto when = static_cast<std::uint64_t>(static_cast<std::uint32_t>(key.day.number)) << 8 |
                    static_cast<std::uint64_t>(key.contribution);
  auto mixed = cell * 0x9e3779b97f4a7c15ULL ^ when * 0xc2b2ae3d27d4eb4fULL;
  return mixed ^ mixed >> 29;
}

void DeltaMerge::add(const Differences& differences, const MarketContext& context) {
  for (const auto& delta : differences.deltas) {
    for (const auto cell : context.segments.cells_of(delta.segment)) {
      auto& sum = merged_[{delta.brand, cell, delta.day, delta.contribution}];
      sum = wrapped_sum(sum, delta.value);
    }
  }
  for (const auto& price : differences.prices) {
    for (const auto cell : context.segments.cells_of(price.segment)) {
      prices_[{context.catalogue.brand_of(price.sku), cell, price.sku, price.price, price.day}] += price.count;
    }
  }
}

std::vector<DeltaMerge::Cell> DeltaMerge::changed_cells() const {
  std::vector<Cell> cells;
  cells.reserve(merged_.size());
  for (const auto& [key, value] : merged_) {
    if (value != 0) cells.emplace_back(key.brand, key.cell);
  }
  for (const auto& [key, count] : prices_) {
    if (count != 0) cells.emplace_back(key.brand, key.cell);
  }
  std::sort(cells.begin(), cells.end());
  cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
  return cells;
}

std::vector<DeltaMerge::Entry> DeltaMerge::sorted_entries(const std::vector<Cell>& cells,
                                                          const std::vector<std::uint32_t>& rank_of) const {
  std::vector<Entry> entries;
  entries.reserve(merged_.size());
  for (const auto& [key, value] : merged_) {
    if (value == 0) continue;
    const auto cell = std::lower_bound(cells.begin(), cells.end(), Cell(key.brand, key.cell)) - cells.begin();
    entries.push_back({rank_of[static_cast<std::size_t>(cell)], key, value});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.rank, a.key.contribution, a.key.day) < std::tie(b.rank, b.key.contribution, b.key.day);
  });
  return entries;
}

// Adds the prices of the brand's SKUs in this cell, in the order of SKU ids.
void DeltaMerge::add_prices(const MarketContext& context, Cell cell, CellDeltas& deltas) const {
  const auto [brand, number] = cell;
  std::map<std::string_view, CellDeltas::Prices> by_sku;
  for (auto at = prices_.lower_bound({brand, number, {}, 0, kNoDay});
       at != prices_.end() && at->first.brand == brand && at->first.cell == number; ++at) {
    const auto& [key, count] = *at;
    if (count == 0) continue;
    auto& prices = by_sku[context.catalogue.sku_id(key.sku)];
    prices.add_prices(key.price);
    prices.add_days(key.day.number);
    prices.add_counts(count);
  }
  for (auto& [sku_id, prices] : by_sku) {
    prices.set_sku_id(std::string(sku_id));
    *deltas.add_prices() = std::move(prices);
  }
}

std::vector<std::vector<Deltas>> DeltaMerge::drain(const MarketContext& context, std::int32_t market_partitions,
                                                   bool even_if_empty) {
  // The canonical order is by the names of a cell, which do not depend on the numbers that this process assigned. There
  // are few cells with long names and many entries, so the cells are sorted first, and the entries by the ranks of
  // their cells.
  const auto cells = changed_cells();
  std::vector<std::uint32_t> by_name(cells.size());
  std::iota(by_name.begin(), by_name.end(), 0U);
  const auto names = [&](std::uint32_t cell) {
    const auto& key = context.segments.cell(cells[cell].second);
    return std::tie(context.catalogue.brand_id(cells[cell].first), key.region_id, key.class_dimension, key.class_value);
  };
  std::sort(by_name.begin(), by_name.end(), [&](std::uint32_t a, std::uint32_t b) { return names(a) < names(b); });
  std::vector<std::uint32_t> rank_of(cells.size());
  for (std::uint32_t rank = 0; rank < by_name.size(); ++rank) rank_of[by_name[rank]] = rank;

  const auto entries = sorted_entries(cells, rank_of);
  Pieces pieces(market_partitions, even_if_empty);
  CellDeltas deltas;
  auto entry = entries.begin();
  for (std::uint32_t rank = 0; rank < by_name.size(); ++rank) {
    const auto& cell = cells[by_name[rank]];
    const auto& key = context.segments.cell(cell.second);
    deltas.Clear();
    deltas.set_brand_id(context.catalogue.brand_id(cell.first));
    deltas.set_region_id(key.region_id);
    deltas.set_class_dimension(key.class_dimension);
    deltas.set_class_value(key.class_value);
    for (; entry != entries.end() && entry->rank == rank; ++entry) {
      deltas.add_measures(static_cast<int>(entry->key.contribution));
      deltas.add_days(entry->key.day.number);
      deltas.add_values(entry->value);
    }
    if (!prices_.empty()) add_prices(context, cell, deltas);
    pieces.add(deltas);
  }
  merged_.clear();
  prices_.clear();
  return pieces.release();
}

}  // namespace fiverate
