// A set of cells, to which the same ones are added again and again.
#pragma once

#include <utility>
#include <vector>

#include "processors/trade/rows/running_values.h"

namespace fiverate {

class CellSet {
 public:
  void insert(CellNumber cell) {
    const auto index = static_cast<std::size_t>(cell);
    if (index >= has_.size()) has_.resize(index + 1);
    if (has_[index]) return;
    has_[index] = true;
    cells_.push_back(cell);
  }
  [[nodiscard]] bool empty() const { return cells_.empty(); }
  // In the order in which they were added first.
  [[nodiscard]] const std::vector<CellNumber>& cells() const { return cells_; }
  // Returns all cells and begins anew.
  [[nodiscard]] std::vector<CellNumber> release() {
    for (const auto cell : cells_) has_[static_cast<std::size_t>(cell)] = false;
    return std::exchange(cells_, {});
  }

 private:
  std::vector<bool> has_;
  std::vector<CellNumber> cells_;
};

}  // namespace fiverate
