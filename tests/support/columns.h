// Columns of deltas that tests write and read one difference at a time.
#pragma once

#include <string>
#include <tuple>
#include <vector>

#include "processors/stages/delta_columns.h"

namespace fiverate::test {

struct SentDifference {
  std::string brand_id;
  std::string region_id;
  Contribution contribution;
  Day day;
  std::int64_t value;
};

// Differences in any order, without class values.
inline DeltaColumns columns_of(std::vector<SentDifference> differences) {
  const auto key = [](const SentDifference& one) {
    return std::tie(one.brand_id, one.region_id, one.contribution, one.day);
  };
  std::stable_sort(differences.begin(), differences.end(),
                   [&](const SentDifference& a, const SentDifference& b) { return key(a) < key(b); });
  DeltaColumnsBuilder builder;
  std::map<std::string, SegmentNumber> segments;
  const SentDifference* before = nullptr;
  for (const auto& one : differences) {
    if (before == nullptr || std::tie(before->brand_id, before->region_id) != std::tie(one.brand_id, one.region_id)) {
      const auto [number, is_new] = segments.try_emplace(one.region_id, SegmentNumber(segments.size()));
      builder.begin_cell(one.brand_id, number->second, {one.region_id, {}});
    }
    builder.add(one.contribution, one.day, one.value);
    before = &one;
  }
  return builder.release();
}

inline std::vector<SentDifference> differences_of(const DeltaColumns& columns) {
  std::vector<SentDifference> differences;
  each_day(columns, [&](Day day, std::span<const ColumnDifference> of_day) {
    for (const auto& one : of_day) {
      differences.push_back(
          {brand_of(columns, one.cell), segment_of(columns, one.cell).region_id(), one.contribution, day, one.value});
    }
  });
  return differences;
}

}  // namespace fiverate::test
