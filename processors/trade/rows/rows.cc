#include "processors/trade/rows/rows.h"

#include <algorithm>

#include "processors/trade/rows/stock.h"

namespace fiverate {
namespace {

constexpr std::array<std::int64_t, 3> kQuartiles{25, 50, 75};

std::int64_t& at(BrandValues& values, BrandMeasure measure) {
  return values[static_cast<std::size_t>(measure)];
}

// A window is published if one of these measures is not 0. The others describe the market around the brand.
constexpr bool is_of_the_brand_itself(std::size_t measure) {
  switch (static_cast<BrandMeasure>(measure)) {
    case BrandMeasure::active_outlets:
    case BrandMeasure::dormant_outlets:
    case BrandMeasure::ordering_outlets:
    case BrandMeasure::counties:
      return false;
    default:
      return measure < kBrandMeasureNames.size();
  }
}

bool has_anything_to_report(const BrandValues& values) {
  for (std::size_t measure = 0; measure < values.size(); ++measure) {
    if (values[measure] != 0 && is_of_the_brand_itself(measure)) return true;
  }
  return false;
}

template <ContributionKind kKind>
std::vector<DerivedMeasure> selected_from(const Selection& selection) {
  std::vector<DerivedMeasure> measures(kMeasuresFrom<kKind>.begin(), kMeasuresFrom<kKind>.end());
  std::erase_if(measures, [&](const DerivedMeasure& one) { return !selection.measures.has(one.measure); });
  return measures;
}

}  // namespace

std::uint32_t LineNumbers::number_of(const ClassKey& key) {
  return by_key_.try_emplace(key, static_cast<std::uint32_t>(by_key_.size())).first->second;
}

std::vector<std::uint32_t> LineNumbers::lines_of(const Segment& segment) {
  std::vector<std::uint32_t> lines{kTotal};
  for (const auto& one : segment.classes) lines.push_back(number_of(one));
  return lines;
}

// ---- sums -------------------------------------------------------------------------------------------------------------

void LineSums::begin(std::size_t regions) {
  regions_ = regions;
  blocks_.clear();
  used_ = 0;
}

std::int64_t* LineSums::block(std::size_t line, std::size_t region) {
  while (line >= blocks_.size()) blocks_.emplace_back(regions_, nullptr);
  auto*& block = blocks_[line][region];
  if (block != nullptr) return block;
  if (used_ == allocated_.size()) allocated_.push_back(std::make_unique<std::int64_t[]>(block_size_));
  block = allocated_[used_++].get();
  std::fill_n(block, block_size_, 0);
  return block;
}

void LineSums::add(std::size_t line, std::size_t region, const std::int64_t* values) {
  auto* const sums = block(line, region);
  for (std::size_t i = 0; i < layout_.size(); ++i) sums[i] = wrapped_sum(sums[i], values[i]);
}

void LineSums::roll_up(std::span<const std::size_t> lowest_first, std::span<const std::size_t> above) {
  for (std::size_t line = 0; line < blocks_.size(); ++line) {
    for (const auto region : lowest_first) {
      if (region == above[region] || blocks_[line][region] == nullptr) continue;
      add(line, above[region], blocks_[line][region]);
    }
  }
}

// ---- rows of a day ----------------------------------------------------------------------------------------------------

DayRows::DayRows(const RegionTree& regions, const Catalogue& catalogue, const LineNumbers& lines,
                 const CellLayouts& layouts, Day as_of, Millis counties_known_before,
                 std::span<const CellOfDay> market_cells)
    : regions_(regions),
      catalogue_(catalogue),
      lines_(lines),
      selection_(layouts.brand.selection()),
      as_of_(as_of),
      windows_(windows_as_of(as_of, selection_.windows)),
      steps_(selected_from<ContributionKind::step>(selection_)),
      window_steps_(selected_from<ContributionKind::window_step>(selection_)),
      day_steps_(selected_from<ContributionKind::day_step>(selection_)),
      flows_(selected_from<ContributionKind::flow>(selection_)),
      market_(layouts.market, 0),
      brand_(layouts.brand, kWindowCount) {
  const auto count = regions_.size();
  for (std::size_t region = 0; region < count; ++region) {
    by_name_.push_back(region);
    paths_.push_back(regions_.path_of(region));
    above_.push_back(paths_.back().size() > 1 ? paths_.back()[1] : region);
    county_.push_back(regions_.is_county(region, counties_known_before));
  }
  lowest_first_ = by_name_;
  std::stable_sort(lowest_first_.begin(), lowest_first_.end(),
                   [&](std::size_t a, std::size_t b) { return paths_[a].size() > paths_[b].size(); });
  std::sort(by_name_.begin(), by_name_.end(),
            [&](std::size_t a, std::size_t b) { return regions_.region_id(a) < regions_.region_id(b); });
  counties_.resize(count);
  for (std::size_t region = 0; region < count; ++region) {
    if (!county_[region]) continue;
    for (const auto above : paths_[region]) ++counties_[above];
  }
  sum(market_cells, market_);
}

void DayRows::sum(std::span<const CellOfDay> cells, LineSums& sums) const {
  sums.begin(county_.size());
  for (const auto& cell : cells) {
    for (const auto line : cell.lines) sums.add(line, cell.region, cell.values);
  }
  sums.roll_up(lowest_first_, above_);
}

// Arranges lines into rows.
template <typename AppendWindows>
std::vector<Row> DayRows::collect(std::string_view brand_id, const LineSums& sums, const std::vector<bool>& only,
                                  AppendWindows&& append_windows) const {
  std::vector<Row> rows;
  std::string windows;
  std::string total;  // windows of the region's total, which is the first line of all its rows
  for (const auto region : by_name_) {
    if (!only.empty() && !only[region]) continue;
    total.clear();
    const auto rows_before = rows.size();
    for (const auto& [key, line] : lines_.by_key()) {  // the total comes first: its dimension is ""
      if (sums.at(line, region) == nullptr) continue;
      windows.clear();
      append_windows(line, region, windows);
      if (key.dimension.empty()) total = windows;
      if (windows.empty()) continue;
      if (rows.size() == rows_before || rows.back().class_dimension != key.dimension) {
        auto& row = rows.emplace_back(begin_row(brand_id, regions_.region_id(region), key.dimension, as_of_));
        if (!key.dimension.empty() && !total.empty()) append_line("", total, row);
      }
      append_line(key.value, windows, rows.back());
    }
  }
  return rows;
}

// ---- rows of a brand --------------------------------------------------------------------------------------------------

std::int64_t DayRows::net_delivered(const std::int64_t* line, std::size_t window) const {
  const auto& layout = brand_.layout();
  return layout.flow(line, Contribution::delivered_units, window) -
         layout.flow(line, Contribution::returned_units, window);
}

// A county is covered by a class if the brand's net deliveries there are at least one unit.
void DayRows::add_covered_counties() {
  const auto first = brand_.layout().size();
  for (std::size_t line = 0; line < brand_.lines(); ++line) {
    for (std::size_t region = 0; region < county_.size(); ++region) {
      const auto* const sums = brand_.at(line, region);
      if (!county_[region] || sums == nullptr) continue;
      for (const auto w : selection_.windows) {
        if (net_delivered(sums, w) < 1) continue;
        for (const auto above : paths_[region]) ++brand_.at(line, above)[first + w];
      }
    }
  }
}

// The prices that were read at or under each region, where there are any.
DayRows::LinePrices DayRows::prices_of(std::span<const CellOfDay> cells) const {
  LinePrices prices;
  for (const auto& cell : cells) {
    if (cell.prices == nullptr) continue;
    const auto here = readings_of(*cell.prices, windows_, catalogue_);
    for (const auto line : cell.lines) {
      while (line >= prices.size()) prices.emplace_back(county_.size());
      prices[line][cell.region].add(here);
    }
  }
  for (auto& line : prices) {
    for (const auto region : lowest_first_) {
      line[region].sort();
      if (above_[region] != region) line[above_[region]].add(line[region]);
    }
  }
  return prices;
}

// The values of one window, but for prices. Stock and sales are in millionths until the line is complete.
BrandValues DayRows::values_of(std::size_t line, std::size_t region, std::size_t window) const {
  const auto& layout = brand_.layout();
  const auto* const sums = brand_.at(line, region);
  BrandValues values{};
  for (const auto& [measure, contribution] : steps_) at(values, measure) = layout.value(sums, contribution);
  for (const auto& [measure, contribution] : flows_) at(values, measure) = layout.flow(sums, contribution, window);
  for (const auto& [measure, contribution] : window_steps_)
    at(values, measure) = layout.value(sums, in_window(contribution, window));
  for (const auto& [measure, contribution] : day_steps_)
    at(values, measure) = layout.day_sum(sums, contribution, window);
  if (selection_.has(MeasureGroup::purchases)) {
    const auto net = net_delivered(sums, window);
    const auto previous = layout.net_previous(sums, window);
    at(values, BrandMeasure::net_delivered_units) = net;
    at(values, BrandMeasure::previous_net_delivered_units) = previous;
    at(values, BrandMeasure::net_delivered_units_change) = net - previous;
    at(values, BrandMeasure::year_earlier_net_delivered_units) = layout.net_year_earlier(sums, window);
    at(values, BrandMeasure::covered_counties) = sums[layout.size() + window];
  }
  if (selection_.has(MeasureGroup::stock)) {
    at(values, BrandMeasure::known_days) += at(values, BrandMeasure::stockout_days);
    const auto stock = stock_of(layout, sums, as_of_);
    at(values, BrandMeasure::stock_units) = stock.level;
    at(values, BrandMeasure::sales_28d_units) = stock.rate;
  }
  return values;
}

// The measures that are the same for all brands, but for counties.
void DayRows::fill_outlets(const std::int64_t* line, std::size_t window, BrandValues& values) const {
  const auto& layout = market_.layout();
  at(values, BrandMeasure::active_outlets) = layout.value(line, Contribution::active_outlets);
  at(values, BrandMeasure::dormant_outlets) = layout.value(line, Contribution::dormant_outlets);
  if (!selection_.measures.has(BrandMeasure::ordering_outlets)) return;
  at(values, BrandMeasure::ordering_outlets) = layout.value(line, in_window(Contribution::ordering_outlets, window));
}

std::vector<Row> DayRows::brand_rows(std::string_view brand_id, std::span<const CellOfDay> cells,
                                     const std::vector<bool>& only) {
  sum(cells, brand_);
  if (selection_.measures.has(BrandMeasure::covered_counties)) add_covered_counties();
  const auto prices = prices_of(cells);
  const auto fill = [](const Readings& readings, std::size_t window, BrandValues& values, BrandMeasure size,
                       BrandMeasure first) {
    at(values, size) = readings.size(window);
    if (at(values, size) == 0) return;
    const auto quantiles = readings.quantiles(window, kQuartiles);
    std::copy(quantiles.begin(), quantiles.end(), values.begin() + static_cast<std::ptrdiff_t>(first));
  };
  return collect(brand_id, brand_, only, [&](std::size_t line, std::size_t region, std::string& windows) {
    const auto* const outlets = market_.at(line, region);
    for (const auto w : selection_.windows) {
      auto values = values_of(line, region, w);
      if (line < prices.size()) {
        const auto& readings = prices[line][region];
        fill(readings.fen, w, values, BrandMeasure::price_readings, BrandMeasure::price_q1_fen);
        fill(readings.index, w, values, BrandMeasure::price_index_readings, BrandMeasure::price_index_q1_bp);
      }
      if (!has_anything_to_report(values)) continue;
      if (outlets != nullptr) fill_outlets(outlets, w, values);
      if (selection_.measures.has(BrandMeasure::counties)) at(values, BrandMeasure::counties) = counties_[region];
      at(values, BrandMeasure::stock_units) /= kMillionth;
      at(values, BrandMeasure::sales_28d_units) = sales_of_28_days(at(values, BrandMeasure::sales_28d_units));
      append_brand_window(kWindows[w], as_of_, values, selection_.measures, windows);
    }
  });
}

// ---- rows of brand "" -------------------------------------------------------------------------------------------------

// Data quality of one window: received, then its parts.
void DayRows::fill_data_quality(const std::int64_t* line, std::size_t window, std::span<std::int64_t> values) const {
  constexpr auto kFirst = static_cast<std::size_t>(Contribution::accepted);
  for (std::size_t i = kFirst; i < kContributionCount; ++i) {
    const auto documents = market_.layout().flow(line, static_cast<Contribution>(i), window);
    values[0] += documents;
    values[i - kFirst + 1] = documents;
  }
}

std::vector<Row> DayRows::market_rows(const std::vector<bool>& only) const {
  return collect("", market_, only, [&](std::size_t line, std::size_t region, std::string& windows) {
    constexpr std::size_t kOfAllRows = 4;  // measures; the row of the whole market has those of data quality as well
    const auto& layout = market_.layout();
    const auto* const sums = market_.at(line, region);
    const bool whole_market = region == RegionTree::kRoot && line == LineNumbers::kTotal;
    for (const auto w : selection_.windows) {
      std::array<std::int64_t, kMarketMeasureNames.size()> values{
          layout.value(sums, Contribution::active_outlets), layout.value(sums, Contribution::dormant_outlets),
          layout.flow(sums, Contribution::visits_done, w), layout.flow(sums, Contribution::visits_not_done, w)};
      if (whole_market) fill_data_quality(sums, w, std::span(values).subspan(kOfAllRows));
      if (std::all_of(values.begin(), values.end(), [](auto value) { return value == 0; })) continue;
      append_market_window(kWindows[w], as_of_, values, windows);
    }
  });
}

}  // namespace fiverate
