// The contributions that the regional rules R3 and R6 read.
#pragma once

#include "processors/trade/measures/measure.h"

namespace fiverate {

constexpr bool is_regional_rule_input(Contribution contribution) {
  switch (contribution) {
    case Contribution::stocks_known:
    case Contribution::stock_base:
    case Contribution::stock_slope:
    case Contribution::sales_rate:
    case Contribution::listed_skus:
    case Contribution::stockout_days:
    case Contribution::in_stock_days:
      return true;
    default:
      return false;
  }
}

}  // namespace fiverate
