#include "processors/trade/rules/regional_rules.h"

#include <algorithm>
#include <array>

#include "processors/trade/rules/alert_id.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

__extension__ using Wide = __int128;

constexpr std::int32_t kStockoutWindow = 7;
constexpr std::size_t kStockoutWindowIndex = 1;
static_assert(kWindows[kStockoutWindowIndex] == kStockoutWindow);
constexpr std::size_t kStockWindowIndex = 2;
static_assert(kWindows[kStockWindowIndex] == 28);
constexpr std::int64_t kSampleAtLeast = 30;

// Whether Wilson's lower bound at 95 % (z = 1.96) is above 5 %, multiplied out to integers. (Wilson 1927, JASA 22.)
bool surely_above_5_percent(std::int64_t x, std::int64_t n) {
  const auto excess = Wide{20} * x - n;
  return excess > 0 && Wide{10'000} * excess * excess > Wide{38'416} * 19 * n;
}

struct RegionalRule {
  std::string_view name;
  RegionalVerdict (*evaluate)(const RegionFacts&);
  RuleRuns runs;
  std::string_view unit;
  std::size_t window;  // of the row that is the evidence, by its index in kWindows
};
constexpr std::array kRules{
    RegionalRule{"R3", evaluate_stockout_region, {2, 3}, "outlet-SKUs", kStockoutWindowIndex},
    RegionalRule{"R6", evaluate_overstock_region, {7, 7}, "units", kStockWindowIndex},
};

bool is_evaluated(const RegionalRule& rule, const Selection& selection) {
  return selection.has(MeasureGroup::stock) && selection.windows.has(rule.window);
}

Transition transition_of(const RegionalRule& rule, std::string_view brand_id, const std::string& region_id,
                         const DayClose& close, const DailyAlert& alert, Transition::State state,
                         const RegionalVerdict& verdict) {
  auto transition = daily_transition(rule.name, alert, state, close.at);
  transition.set_alert_id(alert_id_of({.rule = rule.name, .brand_id = brand_id, .region_id = region_id}));
  transition.set_brand_id(std::string(brand_id));
  transition.set_region_id(region_id);
  transition.set_value(verdict.value);
  transition.set_threshold(verdict.threshold);
  transition.set_unit(std::string(rule.unit));
  auto& row = *transition.add_evidence()->mutable_row();
  row.set_as_of_day(close.day.number);
  row.set_brand_id(std::string(brand_id));
  row.set_region_id(region_id);
  row.set_window_days(kWindows[rule.window]);
  return transition;
}

}  // namespace

void RegionFacts::add(const RegionFacts& other, int sign) {
  const auto add_to = [&](std::int64_t& sum, std::int64_t value) {
    sum = wrapped_sum(sum, wrapped_product(sign, value));
  };
  add_to(stockout_days, other.stockout_days);
  add_to(known_days, other.known_days);
  add_to(stock.level, other.stock.level);
  add_to(stock.rate, other.stock.rate);
  add_to(stock.known, other.stock.known);
  add_to(stock.listed, other.stock.listed);
}

bool has_regional_rules(const Selection& selection) {
  return std::ranges::any_of(kRules, [&](const RegionalRule& rule) { return is_evaluated(rule, selection); });
}

std::vector<std::string> rules_not_evaluated(const Selection& selection) {
  std::vector<std::string> sentences;
  for (const auto& rule : kRules) {
    if (is_evaluated(rule, selection)) continue;
    sentences.push_back(
        fmt::format("Rule {} is not evaluated: it needs \"{}\" in rates.measures and {} in rates.windows.", rule.name,
                    name_of(MeasureGroup::stock), kWindows[rule.window]));
  }
  return sentences;
}

RegionFacts region_facts_of(const CellLayout& layout, const std::int64_t* values, Day day) {
  RegionFacts facts;
  if (layout.selection().windows.has(kStockoutWindowIndex)) {
    facts.stockout_days = layout.day_sum(values, Contribution::stockout_days, kStockoutWindowIndex);
    facts.known_days = facts.stockout_days + layout.day_sum(values, Contribution::in_stock_days, kStockoutWindowIndex);
  }
  facts.stock = stock_of(layout, values, day);
  return facts;
}

RegionalVerdict evaluate_stockout_region(const RegionFacts& facts) {
  const auto x = facts.stockout_days / kStockoutWindow;
  const auto n = facts.known_days / kStockoutWindow;
  const bool holds = n >= kSampleAtLeast && 10 * x >= n && surely_above_5_percent(x, n);
  return {{holds, 100 * x <= 7 * n, 5 * x >= n ? Transition::CRITICAL : Transition::WARNING}, x, n};
}

RegionalVerdict evaluate_overstock_region(const RegionFacts& facts) {
  const auto stock = facts.stock.level / kMillionth;
  const auto sales = sales_of_28_days(facts.stock.rate);
  const bool seen = sales >= 1 && facts.stock.known >= kSampleAtLeast && 5 * facts.stock.known >= facts.stock.listed;
  return {{seen && 2 * stock > 3 * sales, 10 * stock <= 13 * sales,
           stock > 2 * sales ? Transition::CRITICAL : Transition::WARNING},
          stock,
          sales};
}

bool evaluate_regional_rules(std::string_view brand_id, const std::map<std::string, RegionFacts>& cells,
                             const DayClose& close, const Selection& selection, RegionTree& regions,
                             RegionalAlerts& alerts, std::vector<Transition>& transitions) {
  std::map<std::string, RegionFacts> of_regions;
  for (const auto& [cell_region, facts] : cells) {
    for (const auto above : regions.path_of(regions.index_of(cell_region)))
      of_regions[regions.region_id(above)].add(facts);
  }
  for (const auto& [key, alert] : alerts)
    of_regions.try_emplace(key.second);  // A region without a cell counts as zeros.
  bool changed = false;
  for (const auto& rule : kRules) {
    if (!is_evaluated(rule, selection)) continue;
    for (const auto& [region_id, facts] : of_regions) {
      if (!regions.has_regional_rules(regions.index_of(region_id), close.at)) continue;
      const auto verdict = rule.evaluate(facts);
      const auto known = alerts.find({std::string(rule.name), region_id});
      if (known == alerts.end() && !verdict.verdict.holds) continue;
      auto& alert = known == alerts.end() ? alerts[{std::string(rule.name), region_id}] : known->second;
      const auto before = alert;
      const auto transition = apply_verdict(alert, verdict.verdict, rule.runs, close.at);
      changed = changed || alert != before;
      if (transition != Transition::STATE_UNSPECIFIED) {
        transitions.push_back(transition_of(rule, brand_id, region_id, close, alert, transition, verdict));
      }
      if (alert.is_initial()) alerts.erase({std::string(rule.name), region_id});
    }
  }
  return changed;
}

}  // namespace fiverate
