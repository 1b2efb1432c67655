// Rules R3 (stockout of a region) and R6 (overstock of a region): asked of a brand in a county, city or province, all
// classes together, at the close of a day.
//
//   R3  x = floor(stockout days / 7), n = floor(known days / 7) of the last 7 days:
//       n >= 30 and x >= 10 % of n and the Wilson 95 % lower bound of x/n above 5 %; critical from 20 %; clear at 7 %
//   R6  stock above 1.5 x the sales of 28 days at the books' rates, stocks known of 30 outlet-SKUs and a fifth of those
//       listed; critical above 2 x; clear at 1.3 x
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "processors/trade/reference/region_tree.h"
#include "processors/trade/rows/rows.h"
#include "processors/trade/rows/stock.h"
#include "processors/trade/rules/clocked_rule.h"

namespace fiverate {

// What the rules look at.
struct RegionFacts {
  std::int64_t stockout_days = 0;  // outlet-SKU-days of the last 7 days
  std::int64_t known_days = 0;
  Stock stock;

  void add(const RegionFacts& other, int sign = 1);
};
RegionFacts region_facts_of(const Cell& cell, Day day);
// What it looks at, and no more: market holds these apart from a close that they came too late for.
constexpr bool rules_look_at(Contribution contribution) {
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

struct RegionalVerdict {
  RuleVerdict verdict;
  std::int64_t value = 0;
  std::int64_t threshold = 0;
};
RegionalVerdict judge_stockout_region(const RegionFacts& facts);
RegionalVerdict judge_overstock_region(const RegionFacts& facts);

using RegionalKey = std::pair<std::string, std::string>;  // rule, region
using RegionalAlerts = std::map<RegionalKey, Clocked>;    // of one brand; without those that nothing is remembered of

// The close of one day.
struct Close {
  Day day;
  Millis at;  // 24:00
};

// Asks both rules for one brand, by what its leaf cells (all classes) show. Regions count if they were known before the close.
// True if `alerts` changed.
bool ask_regional_rules(std::string_view brand_id, const std::map<std::string, RegionFacts>& leaves, const Close& close,
                        RegionTree& regions, RegionalAlerts& alerts, std::vector<Transition>& transitions);

}  // namespace fiverate
