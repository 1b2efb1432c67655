// Adds up neighbours with equal keys in a sorted array.
#pragma once

#include <cstddef>
#include <vector>

namespace fiverate {

// `same(a, b)`: whether both have one key; `add(sum, next)` adds the second to the first.
template <typename T, typename Same, typename Add>
void add_up_equal(std::vector<T>& sorted, Same&& same, Add&& add) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < sorted.size();) {
    auto sum = sorted[i];
    for (++i; i < sorted.size() && same(sum, sorted[i]); ++i) add(sum, sorted[i]);
    sorted[kept++] = sum;
  }
  sorted.erase(sorted.begin() + static_cast<std::ptrdiff_t>(kept), sorted.end());
}

}  // namespace fiverate
