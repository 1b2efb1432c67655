// The running values of all cells as of one day: what the rows of that day need, kept up to date from day to day.
//
// A cell is a brand in a segment (a county with one value of each class dimension), or brand "" in a segment. Of each contribution
// it keeps, by its kind (measures/measure.h):
//
//   step, window_step   the value on the day
//   day_step            the value on the day; for each window the sum over its days and the value on the day before it
//   flow                for each window the sum over its days
//
// and for each window the units delivered minus those returned in the window before, and in the window a year earlier. Contributions and
// windows that the market does not select have no values.
//
// All of these are sums of dated differences, each times a weight that depends on two days alone: the day of the difference and
// the day of the values. To move on to another day means to add the differences of the few days whose weights change. Sums of a
// day_step over a window are the exception: their weights change daily, so they are moved on from the values at both ends.
#pragma once

#include <array>
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "processors/trade/base/window.h"
#include "processors/trade/measures/selection.h"
#include "schemas/time.h"

namespace fiverate {

// Cells are numbered from 0 by the market stage; its state keeps the numbers.
enum class CellNumber : std::uint32_t {};

struct CellDifference {
  std::int64_t value;
  CellNumber cell;
  Contribution contribution;
};

// How often a difference of one day counts in the values as of another day.
struct Weights {
  using ByWindow = std::array<std::int64_t, kWindowCount>;
  std::int64_t value = 0;   // in the value of a step: 1 from its day on
  ByWindow flow{};          // in the sum of a flow: 1 if its day is in the window
  ByWindow previous{};      // the same for the window before
  ByWindow year_earlier{};  // and for the window a year earlier
  ByWindow day_sum{};       // in the sum of a day_step: on so many days of the window the difference holds
  ByWindow before{};        // in the value of a day_step on the day before the window

  [[nodiscard]] bool is_zero() const;
};

// `windows` are as of the same day. The weights of other windows are 0.
Weights weights_of(Day day, Day as_of, std::span<const WindowDays> windows);

// Where the running values of each contribution are among those of a cell. Only what is selected has values. A window is
// named by its index in kWindows.
class CellLayout {
 public:
  enum class Content : std::uint8_t {
    brand,           // all contributions of a brand
    market,          // those of brand ""
    regional_rules,  // the inputs of rules R3 and R6
    nothing,
  };
  explicit CellLayout(Content content, const Selection& selection = {});

  [[nodiscard]] const Selection& selection() const { return selection_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool has(Contribution contribution) const { return slot(contribution) != kNone; }
  [[nodiscard]] std::span<const Contribution> day_steps() const { return day_steps_; }

  // Values of a cell, which has the contribution. `first` is the name of a window_step.
  [[nodiscard]] std::int64_t value(const std::int64_t* values, Contribution contribution) const {
    return values[slot(contribution)];
  }
  [[nodiscard]] std::int64_t flow(const std::int64_t* values, Contribution contribution, std::size_t window) const {
    return values[slot(contribution) + positions_[window]];
  }
  [[nodiscard]] std::int64_t day_sum(const std::int64_t* values, Contribution contribution, std::size_t window) const {
    return values[slot(contribution) + 1U + positions_[window]];
  }
  [[nodiscard]] std::int64_t net_previous(const std::int64_t* values, std::size_t window) const {
    return values[net_ + positions_[window]];
  }
  [[nodiscard]] std::int64_t net_year_earlier(const std::int64_t* values, std::size_t window) const {
    return values[net_ + windows() + positions_[window]];
  }
  // The sums of a day_step over the selected windows, and its values on the days before them.
  [[nodiscard]] std::span<std::int64_t> day_sums(std::int64_t* step) const { return {step + 1, windows()}; }
  [[nodiscard]] std::span<std::int64_t> before_windows(std::int64_t* step) const {
    return {step + 1 + windows(), windows()};
  }
  [[nodiscard]] std::size_t slot(Contribution contribution) const {
    return slots_[static_cast<std::size_t>(contribution)];
  }
  // Where the values of net deliveries in the windows before begin, and those a year earlier; nullopt: there are none.
  [[nodiscard]] std::optional<std::size_t> net() const {
    return net_ == kNone ? std::nullopt : std::optional<std::size_t>(net_);
  }

 private:
  static constexpr std::uint16_t kNone = 0xffff;
  [[nodiscard]] std::size_t windows() const { return selection_.windows.size(); }
  [[nodiscard]] std::size_t slots_of(ContributionKind kind) const;

  Selection selection_;
  std::array<std::uint8_t, kWindowCount> positions_{};  // of each selected window among the values by window
  std::array<std::uint16_t, kContributionCount> slots_;
  std::uint16_t net_ = kNone;
  std::size_t size_ = 0;
  std::vector<Contribution> day_steps_;
};

// Whether the values of windows before the present one have it, too.
constexpr bool is_delivery(Contribution contribution) {
  return contribution == Contribution::delivered_units || contribution == Contribution::returned_units;
}

// The weights of one day in the values of a layout, without those that are 0, which are most of them. The layout must
// outlive it.
class LayoutWeights {
 public:
  LayoutWeights(const CellLayout& layout, const Weights& weights);
  // Adds `value` times the weights to the values of a cell.
  void add(Contribution contribution, std::int64_t value, std::int64_t* values) const;

 private:
  struct Term {
    std::size_t offset;
    std::int64_t weight;
  };
  using Terms = boost::container::small_vector<Term, 8>;
  void append(const Weights::ByWindow& weights, std::size_t offset, Terms& terms) const;

  const CellLayout& layout_;
  std::array<Terms, 4> by_kind_;  // by ContributionKind; offsets from the slot of the contribution
  Terms net_;                     // offsets from the first value
};

// Whether a contribution is one of brand "".
bool is_of_whole_outlets(Contribution contribution);

// The layouts of the cells of brands and of those of brand "".
struct CellLayouts {
  CellLayout brand;
  CellLayout market;
};

class RunningValues {
 public:
  // The contents of the cells of brands and of those of brand "". With `nothing` a cell has no values.
  RunningValues(CellLayout::Content brand_cells, CellLayout::Content market_cells, const Selection& selection = {})
      : layouts_{CellLayout(brand_cells, selection), CellLayout(market_cells, selection)} {}

  // Cells are added in the order of their numbers.
  void add_cell(bool of_brand);
  [[nodiscard]] std::size_t cell_count() const { return cells_.size(); }

  [[nodiscard]] Day day() const { return day_; }
  // Moving on to a later day, when differences of `days` (ascending) have been added so far and are kept (see first_day_needed()):
  //
  //   for (const auto& pass : values.begin_move(day, days)) values.apply(pass, <all differences of pass.day>);
  //   values.end_move();
  struct Pass {
    Day day;
    Weights change;
  };
  [[nodiscard]] std::vector<Pass> begin_move(Day to, std::span<const Day> days);
  void apply(const Pass& pass, std::span<const CellDifference> differences);
  void end_move();
  // Adds differences that have come after the values moved to their day. Nothing happens if they are of a later day.
  void add(Day day, std::span<const CellDifference> differences);

  [[nodiscard]] const CellLayouts& layouts() const { return layouts_; }
  [[nodiscard]] const CellLayout& layout(CellNumber cell) const { return layout_of(at(cell)); }
  [[nodiscard]] const std::int64_t* values(CellNumber cell) const { return at(cell).values.get(); }
  [[nodiscard]] std::span<std::int64_t> mutable_values(CellNumber cell) {
    return {at(cell).values.get(), layout(cell).size()};
  }
  void restore_day(Day day);

  // Cells whose values have changed since the last call.
  std::vector<CellNumber> pop_changed();

 private:
  struct Cell {
    bool of_brand;
    std::unique_ptr<std::int64_t[]> values;
    bool changed = false;
  };
  [[nodiscard]] const Cell& at(CellNumber cell) const { return cells_[static_cast<std::size_t>(cell)]; }
  [[nodiscard]] Cell& at(CellNumber cell) { return cells_[static_cast<std::size_t>(cell)]; }
  [[nodiscard]] const CellLayout& layout_of(const Cell& cell) const {
    return cell.of_brand ? layouts_.brand : layouts_.market;
  }
  void add_weighted(std::span<const CellDifference> differences, const Weights& weights);
  void mark_changed(CellNumber cell);
  [[nodiscard]] std::int64_t moved_sum(std::int64_t sum, std::int64_t value, std::int64_t before, DayRange window,
                                       bool is_rolling) const;

  CellLayouts layouts_;
  std::vector<Cell> cells_;
  std::vector<CellNumber> changed_;
  Day day_ = kNoDay;
  bool by_one_day_ = false;          // the move at hand
  std::vector<WindowDays> windows_;  // as of day_
};

// The first days whose differences change their weights after the values have moved to `as_of`.
struct NeededFrom {
  Day all;
  Day deliveries;  // of delivered and returned units
};
NeededFrom first_day_needed(Day as_of);

}  // namespace fiverate
