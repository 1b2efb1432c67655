// The running values of cells: however they get to a day, they are the sums of the differences over its windows.
#include "processors/trade/rows/running_values.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "processors/trade/rules/regional_inputs.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr CellNumber kBrandCell{0};
constexpr CellNumber kMarketCell{1};

struct Difference {
  Day day;
  CellDifference what;
};

// The market stage's part: keeps the differences by day.
class Values {
 public:
  explicit Values(CellLayout::Content brand = CellLayout::Content::brand, const Selection& selection = {})
      : values_(brand, CellLayout::Content::market, selection) {
    values_.add_cell(true);
    values_.add_cell(false);
  }
  void add(const Difference& one) {
    by_day_[one.day].push_back(one.what);
    values_.add(one.day, {&one.what, 1});
  }
  void move_to(Day day) {
    std::vector<Day> days;
    for (const auto& [with_differences, differences] : by_day_) days.push_back(with_differences);
    for (const auto& pass : values_.begin_move(day, days)) values_.apply(pass, by_day_.at(pass.day));
    values_.end_move();
  }
  void drop() {
    const auto needed = first_day_needed(values_.day());
    for (auto& [day, differences] : by_day_) {
      std::erase_if(differences, [&, day = day](const CellDifference& one) {
        return day < (is_delivery(one.contribution) ? needed.deliveries : needed.all);
      });
    }
  }
  [[nodiscard]] std::vector<std::int64_t> of(CellNumber cell) const {
    const auto* const first = values_.values(cell);
    return {first, first + values_.layout(cell).size()};
  }
  RunningValues& values() { return values_; }

 private:
  RunningValues values_;
  std::map<Day, std::vector<CellDifference>> by_day_;
};

// The value of a step on a day, from the differences alone.
std::int64_t value_on(const std::vector<Difference>& all, Contribution contribution, Day day) {
  std::int64_t sum = 0;
  for (const auto& one : all) sum += one.what.contribution == contribution && one.day <= day ? one.what.value : 0;
  return sum;
}

std::int64_t quantity(const std::vector<Difference>& all, Contribution contribution, DayRange days) {
  std::int64_t sum = 0;
  for (const auto& one : all) {
    const bool counts = one.what.contribution == contribution && days.first <= one.day && one.day <= days.last;
    sum += counts ? one.what.value : 0;
  }
  return sum;
}

std::int64_t net(const std::vector<Difference>& all, DayRange days) {
  return quantity(all, Contribution::delivered_units, days) - quantity(all, Contribution::returned_units, days);
}

// What rows read, written down from the definitions of windows and kinds.
std::string expected_values(const std::vector<Difference>& all, const Selection& selection, Day day) {
  std::string text;
  std::vector<std::int32_t> windows;
  for (const auto w : selection.windows) windows.push_back(kWindows[w]);
  for (std::size_t i = 0; i < kContributionCount; ++i) {
    const auto contribution = static_cast<Contribution>(i);
    if (!selection.has(contribution)) continue;
    switch (kind_of(contribution)) {
      case ContributionKind::step:
      case ContributionKind::window_step:
        text += fmt::format("{}: {} ", i, value_on(all, contribution, day));
        break;
      case ContributionKind::day_step:
        for (const auto window : windows) {
          std::int64_t sum = 0;
          const auto days = window_of(window, day);
          for (auto on = days.first; on <= days.last; on = on + 1) sum += value_on(all, contribution, on);
          text += fmt::format("{}/{}: {} ", i, window, sum);
        }
        break;
      case ContributionKind::flow:
        for (const auto window : windows)
          text += fmt::format("{}/{}: {} ", i, window, quantity(all, contribution, window_of(window, day)));
        break;
    }
  }
  if (!selection.has(MeasureGroup::purchases)) return text;
  for (const auto window : windows)
    text += fmt::format("net {} {} ", net(all, previous_of(window, day)), net(all, year_earlier(window, day)));
  return text;
}

std::string values_of(const Values& values, const Selection& selection) {
  std::string text;
  const auto brand = values.of(kBrandCell);
  const auto market = values.of(kMarketCell);
  const CellLayout of_brand(CellLayout::Content::brand, selection);
  const CellLayout of_market(CellLayout::Content::market, selection);
  for (std::size_t i = 0; i < kContributionCount; ++i) {
    const auto contribution = static_cast<Contribution>(i);
    if (!selection.has(contribution)) continue;
    const auto& layout = of_brand.has(contribution) ? of_brand : of_market;
    const auto* const cell = of_brand.has(contribution) ? brand.data() : market.data();
    switch (kind_of(contribution)) {
      case ContributionKind::step:
      case ContributionKind::window_step:
        text += fmt::format("{}: {} ", i, layout.value(cell, contribution));
        break;
      case ContributionKind::day_step:
        for (const auto w : selection.windows)
          text += fmt::format("{}/{}: {} ", i, kWindows[w], layout.day_sum(cell, contribution, w));
        break;
      case ContributionKind::flow:
        for (const auto w : selection.windows)
          text += fmt::format("{}/{}: {} ", i, kWindows[w], layout.flow(cell, contribution, w));
        break;
    }
  }
  if (!selection.has(MeasureGroup::purchases)) return text;
  for (const auto w : selection.windows)
    text +=
        fmt::format("net {} {} ", of_brand.net_previous(brand.data(), w), of_brand.net_year_earlier(brand.data(), w));
  return text;
}

Difference difference(Day day, Contribution contribution, std::int64_t value) {
  return {day, {value, is_of_whole_outlets(contribution) ? kMarketCell : kBrandCell, contribution}};
}

Day date(const char* text) {
  return *parse_date(text);
}

Selection random_selection() {
  Selection selection{MeasureGroups::none(), {}};
  for (std::size_t i = 0; i < kMeasureGroupNames.size(); ++i) {
    if (*rc::gen::arbitrary<bool>()) selection.measures.insert(measure_group(i));
  }
  selection.windows.insert(*rc::gen::inRange(std::size_t{0}, kWindowCount));
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    if (*rc::gen::arbitrary<bool>()) selection.windows.insert(w);
  }
  return selection;
}

// Moves day by day, by jumps or in one step; differences come before their day or up to 15 days after it, and those that no row
// needs any more are dropped.
RC_GTEST_PROP(RunningValues, AreTheSumsOverTheirWindows, ()) {
  const auto begin =
      date("2027-11-20") + *rc::gen::inRange(0, 130);  // a leap day, a year's end and months of every length
  const auto selection = *rc::gen::element(Selection{}, random_selection());
  Values values(CellLayout::Content::brand, selection);
  std::vector<Difference> all;
  auto day = begin;
  for (auto moves = *rc::gen::inRange(1, 60); moves > 0; --moves) {
    for (auto count = *rc::gen::inRange(0, 6); count > 0; --count) {
      const auto on = day + *rc::gen::inRange(-15, 100);
      const auto contribution = static_cast<Contribution>(*rc::gen::inRange(std::size_t{0}, kContributionCount));
      all.push_back(difference(on, contribution, *rc::gen::inRange<std::int64_t>(-9, 10)));
      values.add(all.back());
    }
    day = day + *rc::gen::element(1, 1, 1, 1, 2, 9, 31, 100);
    values.move_to(day);
    RC_ASSERT(values_of(values, selection) == expected_values(all, selection, day));
    if (*rc::gen::inRange(0, 4) == 0) values.drop();
  }
}

TEST(RunningValues, ALateFlowOfALastMonthIsNotInTheNewOne) {
  Values values;
  values.move_to(date("2026-04-02"));
  values.add(difference(date("2026-03-30"), Contribution::delivered_units, 5));
  const auto cell = values.of(kBrandCell);
  const CellLayout layout(CellLayout::Content::brand);
  EXPECT_EQ(layout.flow(cell.data(), Contribution::delivered_units, 0), 0) << "the month";
  EXPECT_EQ(layout.flow(cell.data(), Contribution::delivered_units, 1), 5) << "seven days";
  EXPECT_EQ(layout.net_previous(cell.data(), 0), 0) << "the 1st and 2nd of March";
}

// The month is compared with as many days of the one before, from its first to its last.
TEST(RunningValues, ComparesAMonthWithTheSameDaysOfTheOneBefore) {
  Values values;
  for (const auto* const on : {"2026-01-28", "2026-01-31", "2026-02-28", "2028-02-29"})
    values.add(difference(date(on), Contribution::delivered_units, 1));
  const auto previous = [&](const char* day) {
    values.move_to(date(day));
    return CellLayout(CellLayout::Content::brand).net_previous(values.of(kBrandCell).data(), 0);
  };
  EXPECT_EQ(previous("2026-02-27"), 0);
  EXPECT_EQ(previous("2026-02-28"), 1) << "1 to 28 January";
  EXPECT_EQ(previous("2026-03-27"), 0);
  EXPECT_EQ(previous("2026-03-28"), 1);
  EXPECT_EQ(previous("2026-03-31"), 1) << "February has no more days";
  EXPECT_EQ(previous("2028-03-31"), 1) << "the leap day";
}

TEST(RunningValues, OfASelectionAreFewer) {
  Selection selection{MeasureGroups::none(), {}};
  selection.measures.insert(MeasureGroup::purchases);
  selection.windows.insert(1);
  // Buying and repeat buying outlets, delivered and returned units, the net before and a year earlier.
  EXPECT_EQ(CellLayout(CellLayout::Content::brand, selection).size(), 6U);
  EXPECT_EQ(CellLayout(CellLayout::Content::regional_rules, selection).size(), 0U);
  EXPECT_FALSE(CellLayout(CellLayout::Content::market, selection).has(Contribution::ordering_outlets));
}

TEST(RunningValues, OfTheRegionalRulesAloneIgnoreAllElse) {
  Values values(CellLayout::Content::regional_rules);
  values.add(difference(Day{5}, Contribution::delivered_units, 7));
  values.add(difference(Day{5}, Contribution::stockout_days, 2));
  values.move_to(Day{8});
  const CellLayout layout(CellLayout::Content::regional_rules);
  EXPECT_FALSE(layout.has(Contribution::delivered_units));
  EXPECT_EQ(layout.day_sum(values.of(kBrandCell).data(), Contribution::stockout_days, 1), 8);
}

TEST(RunningValues, ListTheChangedCellsOnce) {
  Values values;
  values.move_to(Day{5});
  static_cast<void>(values.values().pop_changed());
  values.add(difference(Day{6}, Contribution::delivered_units, 7));
  EXPECT_TRUE(values.values().pop_changed().empty()) << "its day has not come";
  values.add(difference(Day{5}, Contribution::delivered_units, 7));
  values.add(difference(Day{4}, Contribution::delivered_units, 7));
  EXPECT_EQ(values.values().pop_changed(), std::vector{kBrandCell});
  EXPECT_TRUE(values.values().pop_changed().empty());
}

}  // namespace
}  // namespace fiverate
