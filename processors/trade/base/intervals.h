// Sets of days, as sorted intervals [from, to) that neither overlap nor adjoin.
#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>

#include "schemas/time.h"

namespace fiverate {

struct Interval {
  Day from;
  Day to;  // The first day after the interval; kEndOfDays means that it has no end yet.
  friend bool operator==(const Interval&, const Interval&) = default;
};
using Intervals = boost::container::small_vector<Interval, 2>;  // Most sets are that small.

inline const Intervals kAllDays{{kNoDay, kEndOfDays}};

inline bool contains(const Intervals& set, Day day) {
  const auto after = std::upper_bound(set.begin(), set.end(), day, [](Day a, const Interval& b) { return a < b.from; });
  return after != set.begin() && day < (after - 1)->to;
}

// Appends an interval to a set and merges it with the last one if they overlap or adjoin. An empty interval changes
// nothing. `next.from` must not lie before the last interval's `from`.
inline void append(Intervals& set, Interval next) {
  if (next.to <= next.from) return;
  if (!set.empty() && next.from <= set.back().to) {
    set.back().to = std::max(set.back().to, next.to);
  } else {
    set.push_back(next);
  }
}

inline Intervals shifted(const Intervals& set, std::int32_t days) {
  Intervals result;
  result.reserve(set.size());
  for (const auto& interval : set) {
    result.push_back({interval.from + days, interval.to == kEndOfDays ? kEndOfDays : interval.to + days});
  }
  return result;
}

inline Intervals intersection(const Intervals& a, const Intervals& b) {
  Intervals result;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const Interval common{std::max(a[i].from, b[j].from), std::min(a[i].to, b[j].to)};
    if (common.from < common.to) result.push_back(common);
    (a[i].to < b[j].to ? i : j) += 1;
  }
  return result;
}

inline Intervals united(const Intervals& a, const Intervals& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  Intervals result;
  result.reserve(a.size() + b.size());
  for (std::size_t i = 0, j = 0; i < a.size() || j < b.size();) {
    const bool from_a = j == b.size() || (i < a.size() && a[i].from <= b[j].from);
    append(result, from_a ? a[i++] : b[j++]);
  }
  return result;
}

// Returns the days of `a` that are not in `b`.
inline Intervals difference(const Intervals& a, const Intervals& b) {
  Intervals result;
  std::size_t j = 0;
  for (auto rest : a) {
    while (j < b.size() && b[j].to <= rest.from) ++j;
    for (auto k = j; k < b.size() && b[k].from < rest.to; ++k) {
      if (rest.from < b[k].from) result.push_back({rest.from, b[k].from});
      rest.from = std::max(rest.from, b[k].to);
    }
    if (rest.from < rest.to) result.push_back(rest);
  }
  return result;
}

}  // namespace fiverate
