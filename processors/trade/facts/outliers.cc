#include "processors/trade/facts/outliers.h"

#include <algorithm>

namespace fiverate {
namespace {

// Splits a range wherever two neighbours are further apart than `distance`.
std::vector<ArrivalRange> split(std::span<const Millis> arrivals, ArrivalRange range, Millis distance) {
  std::vector<ArrivalRange> groups;
  auto begin = range.begin;
  for (auto i = range.begin; i < range.end; ++i) {
    if (i + 1 < range.end && arrivals[i + 1] - arrivals[i] <= distance) continue;
    groups.push_back({begin, i + 1});
    begin = i + 1;
  }
  return groups;
}

}  // namespace

Outliers find_outliers(std::span<const Millis> arrivals, std::int32_t days) {
  Outliers found;
  if (arrivals.empty()) return found;
  const auto distance = days * kDayMs;
  const auto is_smaller = [](const ArrivalRange& a, const ArrivalRange& b) { return a.size() < b.size(); };
  const auto far = split(arrivals, {0, arrivals.size()}, distance);
  const auto largest = std::max_element(far.begin(), far.end(), is_smaller);

  auto near = split(arrivals, *largest, distance / kFewDivisor);
  std::size_t first = 0;
  auto last = near.size() - 1;
  const auto is_few = [&](std::size_t group) { return near[group].size() * kOneInMany <= arrivals.size(); };
  while (first < last && is_few(first)) ++first;
  while (last > first && is_few(last)) --last;

  found.others = {near[first].begin, near[last].end};
  found.groups.assign(far.begin(), largest);
  found.groups.insert(found.groups.end(), near.begin(), near.begin() + static_cast<std::ptrdiff_t>(first));
  found.groups.insert(found.groups.end(), near.begin() + static_cast<std::ptrdiff_t>(last) + 1, near.end());
  found.groups.insert(found.groups.end(), largest + 1, far.end());
  return found;
}

}  // namespace fiverate
