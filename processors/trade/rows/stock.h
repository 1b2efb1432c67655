// The stock of all active outlets of a cell on one day, by their books.
#pragma once

#include <cstdint>

#include "processors/trade/rows/series.h"

namespace fiverate {

inline constexpr std::int64_t kSalesDays = 28;

struct Stock {
  std::int64_t level = 0;   // millionths of a unit
  std::int64_t rate = 0;    // millionths of a unit sold a day
  std::int64_t known = 0;   // outlet-SKUs with a level
  std::int64_t listed = 0;  // outlet-SKUs whose state is not NOT_LISTED
};

inline Stock stock_of(const Cell& cell, Day day) {
  const auto decrease = wrapped_product(cell.get(Contribution::stock_slope).through(day), day.number);
  return {wrapped_sum(cell.get(Contribution::stock_base).through(day), wrapped_product(-1, decrease)),
          cell.get(Contribution::sales_rate).through(day), cell.get(Contribution::stocks_known).through(day),
          cell.get(Contribution::listed_skus).through(day)};
}

// Units sold in 28 days at `rate` millionths a day.
inline std::int64_t sales_of_28_days(std::int64_t rate) {
  __extension__ using Wide = __int128;
  return static_cast<std::int64_t>(Wide{kSalesDays} * rate / kMillionth);
}

}  // namespace fiverate
