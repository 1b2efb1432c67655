#include "processors/trade/rows/running_values.h"

#include <algorithm>

#include "processors/trade/base/units.h"
#include "processors/trade/rules/regional_inputs.h"
#include "schemas/check.h"

namespace fiverate {
namespace {

bool contains(DayRange range, Day day) {
  return range.first <= day && day <= range.last;
}

bool all_zero(const Weights::ByWindow& weights) {
  return std::all_of(weights.begin(), weights.end(), [](auto weight) { return weight == 0; });
}

bool has_content(CellLayout::Content content, Contribution contribution) {
  switch (content) {
    case CellLayout::Content::brand:
      return !is_of_whole_outlets(contribution);
    case CellLayout::Content::market:
      return is_of_whole_outlets(contribution);
    case CellLayout::Content::regional_rules:
      return is_regional_rule_input(contribution);
    case CellLayout::Content::nothing:
      return false;
  }
  return false;
}

Weights difference(const Weights& after, const Weights& before) {
  Weights change;
  change.value = after.value - before.value;
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    change.flow[w] = after.flow[w] - before.flow[w];
    change.previous[w] = after.previous[w] - before.previous[w];
    change.year_earlier[w] = after.year_earlier[w] - before.year_earlier[w];
    change.before[w] = after.before[w] - before.before[w];
  }
  return change;
}

}  // namespace

bool is_of_whole_outlets(Contribution contribution) {
  return contribution < Contribution::buying_outlets || contribution >= Contribution::visits_done;
}

// ---- weights ----------------------------------------------------------------------------------------------------------

bool Weights::is_zero() const {
  return value == 0 && all_zero(flow) && all_zero(previous) && all_zero(year_earlier) && all_zero(day_sum) &&
         all_zero(before);
}

Weights weights_of(Day day, Day as_of, std::span<const WindowDays> windows) {
  Weights weights;
  if (day > as_of) return weights;
  weights.value = 1;
  for (const auto& window : windows) {
    const auto w = window.window;
    weights.flow[w] = contains(window.days, day) ? 1 : 0;
    weights.previous[w] = contains(window.previous, day) ? 1 : 0;
    weights.year_earlier[w] = contains(window.year_earlier, day) ? 1 : 0;
    weights.day_sum[w] = window.days.last + 1 - std::max(day, window.days.first);
    weights.before[w] = day < window.days.first ? 1 : 0;
  }
  return weights;
}

NeededFrom first_day_needed(Day as_of) {
  constexpr std::int32_t kYearEarlier = 366 + 1;
  const auto windows_begin = as_of - kLongestWindow;
  return {windows_begin, windows_begin - kYearEarlier};
}

// ---- layout -----------------------------------------------------------------------------------------------------------

CellLayout::CellLayout(Content content, const Selection& selection) : selection_(selection) {
  std::uint8_t position = 0;
  for (const auto w : selection_.windows) positions_[w] = position++;
  slots_.fill(kNone);
  for (std::size_t i = 0; i < kContributionCount; ++i) {
    const auto contribution = static_cast<Contribution>(i);
    if (!has_content(content, contribution) || !selection_.has(contribution)) continue;
    slots_[i] = static_cast<std::uint16_t>(size_);
    size_ += slots_of(kind_of(contribution));
    if (kind_of(contribution) == ContributionKind::day_step) day_steps_.push_back(contribution);
  }
  if (has(Contribution::delivered_units)) {
    net_ = static_cast<std::uint16_t>(size_);
    size_ += 2 * windows();
  }
}

std::size_t CellLayout::slots_of(ContributionKind kind) const {
  switch (kind) {
    case ContributionKind::step:
    case ContributionKind::window_step:  // each window has a contribution of its own
      return 1;
    case ContributionKind::day_step:
      return 1 + 2 * windows();
    case ContributionKind::flow:
      return windows();
  }
  return 0;
}

// ---- weights ----------------------------------------------------------------------------------------------------------

LayoutWeights::LayoutWeights(const CellLayout& layout, const Weights& weights) : layout_(layout) {
  const auto windows = layout.selection().windows.size();
  const auto terms_of = [&](ContributionKind kind) -> Terms& { return by_kind_[static_cast<std::size_t>(kind)]; };
  for (const auto kind : {ContributionKind::step, ContributionKind::window_step, ContributionKind::day_step}) {
    if (weights.value != 0) terms_of(kind).push_back({0, weights.value});
  }
  append(weights.day_sum, 1, terms_of(ContributionKind::day_step));
  append(weights.before, 1 + windows, terms_of(ContributionKind::day_step));
  append(weights.flow, 0, terms_of(ContributionKind::flow));
  if (const auto net = layout.net()) {
    append(weights.previous, *net, net_);
    append(weights.year_earlier, *net + windows, net_);
  }
}

void LayoutWeights::append(const Weights::ByWindow& weights, std::size_t offset, Terms& terms) const {
  for (const auto w : layout_.selection().windows) {
    if (weights[w] != 0) terms.push_back({offset, weights[w]});
    ++offset;
  }
}

void LayoutWeights::add(Contribution contribution, std::int64_t value, std::int64_t* values) const {
  if (!layout_.has(contribution)) return;
  const auto add_to = [value](std::int64_t& sum, std::int64_t weight) {
    sum = wrapped_sum(sum, wrapped_product(value, weight));
  };
  auto* const own = values + layout_.slot(contribution);
  for (const auto& [offset, weight] : by_kind_[static_cast<std::size_t>(kind_of(contribution))]) {
    add_to(own[offset], weight);
  }
  if (net_.empty() || !is_delivery(contribution)) return;
  const auto sign = contribution == Contribution::returned_units ? -1 : 1;
  for (const auto& [offset, weight] : net_) add_to(values[offset], sign * weight);
}

// ---- values -----------------------------------------------------------------------------------------------------------

void RunningValues::add_cell(bool of_brand) {
  const auto& layout = of_brand ? layouts_.brand : layouts_.market;
  cells_.push_back({of_brand, std::make_unique<std::int64_t[]>(layout.size())});
}

void RunningValues::restore_day(Day day) {
  day_ = day;
  if (day == kNoDay) return;
  windows_ = windows_as_of(day, layouts_.brand.selection().windows);
}

std::vector<RunningValues::Pass> RunningValues::begin_move(Day to, std::span<const Day> days) {
  CHECK(to > day_, to.number, day_.number);
  by_one_day_ = day_ != kNoDay && to == day_ + 1;
  const auto windows = windows_as_of(to, layouts_.brand.selection().windows);
  std::vector<Pass> passes;
  for (const auto day : days) {
    if (day > to) break;
    const auto after = weights_of(day, to, windows);
    auto change = difference(after, day_ == kNoDay ? Weights{} : weights_of(day, day_, windows_));
    if (!by_one_day_) {
      for (const auto& window : windows) {
        if (day >= window.days.first) change.day_sum[window.window] = after.day_sum[window.window];
      }
    }
    if (!change.is_zero()) passes.push_back({day, change});
  }
  if (!by_one_day_) {
    for (auto& cell : cells_) {
      const auto& layout = layout_of(cell);
      for (const auto step : layout.day_steps())
        std::ranges::fill(layout.day_sums(cell.values.get() + layout.slot(step)), 0);
    }
  }
  restore_day(to);
  return passes;
}

void RunningValues::apply(const Pass& pass, std::span<const CellDifference> differences) {
  add_weighted(differences, pass.change);
}

// The sums of a day_step over windows, after the differences of the move have been added.
void RunningValues::end_move() {
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    auto& cell = cells_[i];
    const auto& layout = layout_of(cell);
    for (const auto contribution : layout.day_steps()) {
      auto* const step = cell.values.get() + layout.slot(contribution);
      const auto sums = layout.day_sums(step);
      const auto before = layout.before_windows(step);
      for (std::size_t w = 0; w < windows_.size(); ++w) {
        const auto& window = windows_[w];
        const auto sum_before = sums[w];
        sums[w] = moved_sum(sums[w], *step, before[w], window.days, kWindows[window.window] != kMonth);
        if (sums[w] != sum_before || !by_one_day_) mark_changed(static_cast<CellNumber>(i));
      }
    }
  }
}

// `value`: on the last day of the window; `before`: on the day before its first.
std::int64_t RunningValues::moved_sum(std::int64_t sum, std::int64_t value, std::int64_t before, DayRange window,
                                      bool is_rolling) const {
  if (!by_one_day_) return wrapped_sum(sum, wrapped_product(before, window.last - window.first + 1));
  if (window.first == window.last) return value;
  // The day before a rolling window was its first day until now. A month keeps its first day.
  return wrapped_sum(sum, is_rolling ? wrapped_sum(value, wrapped_product(-1, before)) : value);
}

void RunningValues::add(Day day, std::span<const CellDifference> differences) {
  if (day_ == kNoDay || day > day_) return;
  add_weighted(differences, weights_of(day, day_, windows_));
}

void RunningValues::add_weighted(std::span<const CellDifference> differences, const Weights& weights) {
  const LayoutWeights of_brand(layouts_.brand, weights);
  const LayoutWeights of_market(layouts_.market, weights);
  for (const auto& one : differences) {
    auto& cell = at(one.cell);
    (cell.of_brand ? of_brand : of_market).add(one.contribution, one.value, cell.values.get());
    mark_changed(one.cell);
  }
}

void RunningValues::mark_changed(CellNumber cell) {
  auto& changed = at(cell).changed;
  if (!changed) changed_.push_back(cell);
  changed = true;
}

std::vector<CellNumber> RunningValues::pop_changed() {
  for (const auto cell : changed_) at(cell).changed = false;
  return std::exchange(changed_, {});
}

}  // namespace fiverate
