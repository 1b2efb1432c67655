#include "processors/stages/delta_merge.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "schemas/topics.h"

namespace fiverate {

std::size_t DeltaMerge::KeyHash::operator()(const Key& key) const {
  const auto cell = static_cast<std::uint64_t>(key.brand) << 32 | static_cast<std::uint64_t>(key.leaf);
  const auto when = static_cast<std::uint64_t>(static_cast<std::uint32_t>(key.day.number)) << 8 |
                    static_cast<std::uint64_t>(key.contribution);
  auto mixed = cell * 0x9e3779b97f4a7c15ULL ^ when * 0xc2b2ae3d27d4eb4fULL;
  return mixed ^ mixed >> 29;
}

void DeltaMerge::add(const Differences& differences, const MarketContext& context) {
  for (const auto& delta : differences.deltas) {
    for (const auto leaf : context.segments.cells_of(delta.segment)) {
      auto& sum = merged_[{delta.brand, leaf, delta.day, delta.contribution}];
      sum = wrapped_sum(sum, delta.value);
    }
  }
  for (const auto& price : differences.prices) {
    for (const auto leaf : context.segments.cells_of(price.segment)) {
      prices_[{context.catalogue.brand_of(price.sku), leaf, price.sku, price.price, price.day}] += price.count;
    }
  }
}

// The prices of the brand's SKUs at one leaf.
void DeltaMerge::add_prices(const MarketContext& context, CellDeltas& cell, BrandNumber brand, CellNumber leaf) const {
  std::map<std::string_view, CellDeltas::Prices> by_sku;
  const PriceKey from{brand, leaf, {}, 0, kNoDay};
  for (auto at = prices_.lower_bound(from); at != prices_.end() && at->first.brand == brand && at->first.leaf == leaf; ++at) {
    const auto& [key, count] = *at;
    if (count == 0) continue;
    auto& prices = by_sku[context.catalogue.sku_id(key.sku)];
    prices.add_prices(key.price);
    prices.add_days(key.day.number);
    prices.add_counts(count);
  }
  for (auto& [sku_id, prices] : by_sku) {
    prices.set_sku_id(std::string(sku_id));
    *cell.add_prices() = std::move(prices);
  }
}

std::vector<std::vector<Deltas>> DeltaMerge::take(const MarketContext& context, std::int32_t market_partitions,
                                                  bool even_if_empty) {
  // Canonical: by the names of the cell, which do not depend on the numbers that this process gave them. Names are long
  // and cells few beside what is merged in them, so cells are sorted first, and the rest by their ranks.
  const auto cell_of = [](const Key& key) { return std::pair(key.brand, key.leaf); };
  std::vector<std::pair<BrandNumber, CellNumber>> cells;
  cells.reserve(merged_.size());
  for (const auto& [key, value] : merged_) {
    if (value != 0) cells.push_back(cell_of(key));
  }
  for (const auto& [key, count] : prices_) {
    if (count != 0) cells.emplace_back(key.brand, key.leaf);
  }
  std::sort(cells.begin(), cells.end());
  cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
  std::vector<std::uint32_t> by_name(cells.size());
  std::iota(by_name.begin(), by_name.end(), 0U);
  const auto names = [&](std::uint32_t cell) {
    const auto& leaf = context.segments.cell(cells[cell].second);
    return std::tie(context.catalogue.brand_id(cells[cell].first), leaf.region_id, leaf.class_dimension,
                    leaf.class_value);
  };
  std::sort(by_name.begin(), by_name.end(), [&](std::uint32_t a, std::uint32_t b) { return names(a) < names(b); });
  std::vector<std::uint32_t> rank_of(cells.size());
  for (std::uint32_t rank = 0; rank < by_name.size(); ++rank) rank_of[by_name[rank]] = rank;

  struct Entry {
    std::uint32_t rank;
    Key key;
    std::int64_t value;
  };
  std::vector<Entry> entries;
  entries.reserve(merged_.size());
  for (const auto& [key, value] : merged_) {
    if (value == 0) continue;
    const auto cell = std::lower_bound(cells.begin(), cells.end(), cell_of(key)) - cells.begin();
    entries.push_back({rank_of[static_cast<std::size_t>(cell)], key, value});
  }
  merged_.clear();
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.rank, a.key.contribution, a.key.day) < std::tie(b.rank, b.key.contribution, b.key.day);
  });

  std::vector<std::vector<Deltas>> parts(static_cast<std::size_t>(market_partitions));
  if (even_if_empty) {
    for (auto& part : parts) part.emplace_back();
  }
  std::vector<std::size_t> bytes(parts.size(), 0);
  const auto append = [&](std::size_t partition, CellDeltas cell) {
    auto& pieces = parts[partition];
    if (pieces.empty() || bytes[partition] >= kPieceBytes) {
      pieces.emplace_back();
      bytes[partition] = 0;
    }
    bytes[partition] += cell.ByteSizeLong();
    *pieces.back().add_cells() = std::move(cell);
  };
  std::size_t i = 0;
  for (std::uint32_t rank = 0; rank < by_name.size(); ++rank) {
    const auto& [brand, leaf_number] = cells[by_name[rank]];
    const auto& leaf = context.segments.cell(leaf_number);
    CellDeltas cell;
    cell.set_brand_id(context.catalogue.brand_id(brand));
    cell.set_region_id(leaf.region_id);
    cell.set_class_dimension(leaf.class_dimension);
    cell.set_class_value(leaf.class_value);
    auto end = i;
    while (end < entries.size() && entries[end].rank == rank) ++end;
    const auto lines = static_cast<int>(end - i);
    cell.mutable_measures()->Reserve(lines);
    cell.mutable_days()->Reserve(lines);
    cell.mutable_values()->Reserve(lines);
    for (; i < end; ++i) {
      cell.add_measures(static_cast<int>(entries[i].key.contribution));
      cell.add_days(entries[i].key.day.number);
      cell.add_values(entries[i].value);
    }
    if (!prices_.empty()) add_prices(context, cell, brand, leaf_number);
    if (brand == kNoBrand) {
      for (std::size_t partition = 0; partition < parts.size(); ++partition) append(partition, cell);
    } else {
      const auto partition = partition_of(cell.brand_id(), market_partitions);
      append(static_cast<std::size_t>(partition), std::move(cell));
    }
  }
  prices_.clear();
  return parts;
}

}  // namespace fiverate
