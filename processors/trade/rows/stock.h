// The stock of all active outlets of a cell on one day, by their books.
#pragma once

#include <cstdint>

#include "processors/trade/base/units.h"
#include "processors/trade/rows/running_values.h"

namespace fiverate {

inline constexpr std::int64_t kSalesDays = 28;

struct Stock {
  std::int64_t level = 0;   // millionths of a unit
  std::int64_t rate = 0;    // millionths of a unit sold a day
  std::int64_t known = 0;   // outlet-SKUs with a level
  std::int64_t listed = 0;  // outlet-SKUs whose state is not NOT_LISTED
};

// The stock by the running values of a cell as of `day`.
inline Stock stock_of(const CellLayout& layout, const std::int64_t* values, Day day) {
  const auto decrease = wrapped_product(layout.value(values, Contribution::stock_slope), day.number);
  return {wrapped_sum(layout.value(values, Contribution::stock_base), wrapped_product(-1, decrease)),
          layout.value(values, Contribution::sales_rate), layout.value(values, Contribution::stocks_known),
          layout.value(values, Contribution::listed_skus)};
}

// Units sold in 28 days at `rate` millionths a day.
inline std::int64_t sales_of_28_days(std::int64_t rate) {
  __extension__ using Wide = __int128;
  return static_cast<std::int64_t>(Wide{kSalesDays} * rate / kMillionth);
}

}  // namespace fiverate
