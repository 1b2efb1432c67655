#include "processors/stages/delta_merge.h"

#include <algorithm>
#include <tuple>

#include "schemas/topics.h"

namespace fiverate {

std::size_t DeltaMerge::KeyHash::operator()(const Key& key) const {
  const auto cell = static_cast<std::uint64_t>(key.brand) << 32 | static_cast<std::uint64_t>(key.leaf);
  const auto when = static_cast<std::uint64_t>(static_cast<std::uint32_t>(key.day.number)) << 8 |
                    static_cast<std::uint64_t>(key.contribution);
  auto mixed = cell * 0x9e3779b97f4a7c15ULL ^ when * 0xc2b2ae3d27d4eb4fULL;
  return mixed ^ mixed >> 29;
}

void DeltaMerge::add(const std::vector<DatedDelta>& deltas, const MarketContext& context) {
  for (const auto& delta : deltas) {
    for (const auto leaf : context.places.leaves_of(delta.place)) {
      merged_[{delta.brand, leaf, delta.day, delta.contribution}] += delta.value;
    }
  }
}

std::vector<std::vector<Deltas>> DeltaMerge::take(const MarketContext& context, std::int32_t market_partitions,
                                                  bool even_if_empty) {
  struct Entry {
    Key key;
    std::int64_t value;
  };
  std::vector<Entry> entries;
  entries.reserve(merged_.size());
  for (const auto& [key, value] : merged_) {
    if (value != 0) entries.push_back({key, value});
  }
  merged_.clear();
  // Canonical: by the names of the cell, which do not depend on the numbers that this process gave them.
  const auto names = [&](const Key& key) {
    const auto& leaf = context.places.leaf(key.leaf);
    return std::tie(context.catalogue.brand_id(key.brand), leaf.region_id, leaf.class_dimension, leaf.class_value);
  };
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    if (a.key.brand != b.key.brand || a.key.leaf != b.key.leaf) return names(a.key) < names(b.key);
    return std::tie(a.key.contribution, a.key.day) < std::tie(b.key.contribution, b.key.day);
  });

  std::vector<std::vector<Deltas>> parts(static_cast<std::size_t>(market_partitions));
  if (even_if_empty) {
    for (auto& part : parts) part.emplace_back();
  }
  std::vector<std::size_t> bytes(parts.size(), 0);
  const auto append = [&](std::size_t partition, const CellDeltas& cell) {
    auto& pieces = parts[partition];
    if (pieces.empty() || bytes[partition] >= kPieceBytes) {
      pieces.emplace_back();
      bytes[partition] = 0;
    }
    bytes[partition] += cell.ByteSizeLong();
    *pieces.back().add_cells() = cell;
  };
  for (std::size_t i = 0; i < entries.size();) {
    const auto& first = entries[i].key;
    const auto& leaf = context.places.leaf(first.leaf);
    CellDeltas cell;
    cell.set_brand_id(context.catalogue.brand_id(first.brand));
    cell.set_region_id(leaf.region_id);
    cell.set_class_dimension(leaf.class_dimension);
    cell.set_class_value(leaf.class_value);
    for (; i < entries.size() && entries[i].key.brand == first.brand && entries[i].key.leaf == first.leaf; ++i) {
      cell.add_measures(static_cast<int>(entries[i].key.contribution));
      cell.add_days(entries[i].key.day.number);
      cell.add_values(entries[i].value);
    }
    if (first.brand == kNoBrand) {
      for (std::size_t partition = 0; partition < parts.size(); ++partition) append(partition, cell);
    } else {
      append(static_cast<std::size_t>(partition_of(cell.brand_id(), market_partitions)), cell);
    }
  }
  return parts;
}

}  // namespace fiverate
