// Rules R3 (stockout of a region) and R6 (overstock of a region), evaluated at the close of each day for a brand in a
// county, city or province, all classes together. A fact that arrives after the close does not change them.
//
//   R3  x = floor(stockout days / 7) and n = floor(known days / 7) of the last 7 days, in outlet-SKU-days. It holds if
//       n >= 30, x >= 10 % of n and the 95 % Wilson lower bound of x/n is above 5 %; critical from 20 %; clear to 7 %.
//   R6  Stock above 1.5 times the sales of 28 days at the rates of the books. It holds if the stock is known of at
//       least 30 outlet-SKUs and a fifth of the listed ones; critical above 2 times; clear up to 1.3 times.
//
// A rule is evaluated if the market publishes the row that is its evidence: the measures `stock` and the window of 7 days (R3) or
// 28 days (R6) are selected.
//
// Source of the formulas: docs/rules.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "processors/trade/reference/region_tree.h"
#include "processors/trade/rows/stock.h"
#include "processors/trade/rules/daily_rule.h"

namespace fiverate {

// The inputs of the rules, for one region or cell (regional_inputs.h).
struct RegionFacts {
  std::int64_t stockout_days = 0;  // outlet-SKU-days of the last 7 days
  std::int64_t known_days = 0;
  Stock stock;

  void add(const RegionFacts& other, int sign = 1);
};
// By the running values of a cell as of `day`. The measures `stock` are selected.
RegionFacts region_facts_of(const CellLayout& layout, const std::int64_t* values, Day day);

struct RegionalVerdict {
  RuleVerdict verdict;
  std::int64_t value = 0;
  std::int64_t threshold = 0;
};
// `value` and `threshold`: x and n of R3; stock and sales of 28 days of R6, in units.
RegionalVerdict evaluate_stockout_region(const RegionFacts& facts);
RegionalVerdict evaluate_overstock_region(const RegionFacts& facts);

using RegionalKey = std::pair<std::string, std::string>;   // rule, region
using RegionalAlerts = std::map<RegionalKey, DailyAlert>;  // of one brand, without initial ones

// Whether a rule is evaluated at all.
bool has_regional_rules(const Selection& selection);
// A sentence for each rule that is not.
std::vector<std::string> rules_not_evaluated(const Selection& selection);

// Evaluates the rules for one brand. `cells` are the facts of its cells, by region; they are rolled up
// over the region tree. Only regions that were known before the close count. Returns true if `alerts` changed.
bool evaluate_regional_rules(std::string_view brand_id, const std::map<std::string, RegionFacts>& cells,
                             const DayClose& close, const Selection& selection, RegionTree& regions,
                             RegionalAlerts& alerts, std::vector<Transition>& transitions);

}  // namespace fiverate
