// A selection of FINAL rows.
#pragma once

#include <set>
#include <string>

#include "processors/trade/base/intervals.h"

namespace fiverate {

// Which FINAL rows are published. The others are not computed.
struct FinalRows {
  Intervals days = kAllDays;
  std::set<std::string> brands = {};   // empty: all, also the rows of brand ""
  std::set<std::string> regions = {};  // empty: all; "" is the whole market
};

}  // namespace fiverate
