#include "processors/trade/rows/rows.h"

#include <algorithm>
#include <memory>

#include "processors/trade/rows/prices.h"
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

}  // namespace

void DayRows::Outlets::add(const Outlets& other) {
  active += other.active;
  dormant += other.dormant;
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    ordering[w] += other.ordering[w];
    visits_done[w] += other.visits_done[w];
    visits_not_done[w] += other.visits_not_done[w];
  }
}

DayRows::DayRows(RegionTree& regions, const Catalogue& catalogue, Day as_of, Millis counties_known_before,
                 const CellsByKey& market_cells)
    : regions_(regions), catalogue_(catalogue), as_of_(as_of) {
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    windows_[w] = {window_of(kWindows[w], as_of), previous_of(kWindows[w], as_of), year_earlier(kWindows[w], as_of)};
  }
  for (const auto& [key, cell] : market_cells) regions_.index_of(key.region_id);
  const auto count = regions_.size();
  for (std::size_t region = 0; region < count; ++region) {
    by_name_.push_back(region);
    paths_.push_back(regions_.path_of(region));
    county_.push_back(regions_.is_county(region, counties_known_before));
  }
  std::sort(by_name_.begin(), by_name_.end(),
            [&](std::size_t a, std::size_t b) { return regions_.region_id(a) < regions_.region_id(b); });
  counties_.resize(count);
  for (std::size_t region = 0; region < count; ++region) {
    if (!county_[region]) continue;
    for (const auto above : paths_[region]) ++counties_[above];
  }
  add_outlets(market_cells);
}

void DayRows::add_outlets(const CellsByKey& market_cells) {
  for (const auto& [key, cell] : market_cells) {
    auto& line = outlets_[{key.class_dimension, key.class_value}];
    line.resize(county_.size());
    const auto region = regions_.index_of(key.region_id);
    if (region == RegionTree::kRoot && key.class_dimension.empty()) quality_ = cell;
    Outlets here;
    here.active = cell->get(Contribution::active_outlets).through(as_of_);
    here.dormant = cell->get(Contribution::dormant_outlets).through(as_of_);
    for (std::size_t w = 0; w < kWindowCount; ++w) {
      here.ordering[w] = cell->get(in_window(Contribution::ordering_outlets, w)).through(as_of_);
      here.visits_done[w] = cell->get(Contribution::visits_done).between(windows_[w].days);
      here.visits_not_done[w] = cell->get(Contribution::visits_not_done).between(windows_[w].days);
    }
    for (const auto above : paths_[region]) line[above].add(here);
  }
}

DayRows::LineSums DayRows::sums_of(const Cell& cell) const {
  const auto& delivered = cell.get(Contribution::delivered_units);
  const auto& returned = cell.get(Contribution::returned_units);
  BrandValues common{};
  for (const auto& [measure, contribution] : kMeasuresFrom<ContributionKind::step>)
    at(common, measure) = cell.get(contribution).through(as_of_);
  const auto stock = stock_of(cell, as_of_);
  at(common, BrandMeasure::stock_units) = stock.level;  // in millionths until the line is complete
  at(common, BrandMeasure::sales_28d_units) = stock.rate;
  LineSums sums;
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    auto& values = sums[w];
    values = common;
    const auto& window = windows_[w];
    for (const auto& [measure, contribution] : kMeasuresFrom<ContributionKind::flow>)
      at(values, measure) = cell.get(contribution).between(window.days);
    for (const auto& [measure, contribution] : kMeasuresFrom<ContributionKind::window_step>) {
      at(values, measure) = cell.get(in_window(contribution, w)).through(as_of_);
    }
    for (const auto& [measure, contribution] : kMeasuresFrom<ContributionKind::day_step>) {
      at(values, measure) = cell.get(contribution).days_between(window.days.first, window.days.last);
    }
    at(values, BrandMeasure::known_days) += at(values, BrandMeasure::stockout_days);
    const auto net = [&](DayRange days) { return delivered.between(days) - returned.between(days); };
    at(values, BrandMeasure::net_delivered_units) = net(window.days);
    at(values, BrandMeasure::previous_net_delivered_units) = net(window.previous);
    at(values, BrandMeasure::year_earlier_net_delivered_units) = net(window.year_earlier);
  }
  return sums;
}

// Arranges lines into rows. `append_windows(class key, region, value, windows)` encodes the windows that have something to report.
template <typename Value, typename AppendWindows>
std::vector<Row> DayRows::collect(std::string_view brand_id, const ByClass<Value>& lines,
                                  AppendWindows&& append_windows) const {
  std::vector<Row> rows;
  std::string windows;
  std::string total;  // windows of the region's total, which is the first line of all its rows
  for (const auto region : by_name_) {
    total.clear();
    const auto rows_before = rows.size();
    for (const auto& [key, values] : lines) {  // the total comes first: its dimension is ""
      const auto& [dimension, class_value] = key;
      windows.clear();
      append_windows(key, region, values[region], windows);
      if (dimension.empty()) total = windows;
      if (windows.empty()) continue;
      if (rows.size() == rows_before || rows.back().class_dimension != dimension) {
        auto& row = rows.emplace_back(begin_row(brand_id, regions_.region_id(region), dimension, as_of_));
        if (!dimension.empty() && !total.empty()) append_line("", total, row);
      }
      append_line(class_value, windows, rows.back());
    }
  }
  return rows;
}

// Fills in the quartiles of the prices that were read at or under each region, where there are any.
void DayRows::add_prices(const CellsByKey& cells, ByClass<LineSums>& lines) const {
  using ByWindow = std::array<PriceReadings, kWindowCount>;
  ByClass<std::unique_ptr<ByWindow>> read;
  for (const auto& [key, cell] : cells) {
    if (cell->prices().empty()) continue;
    auto& line = read[{key.class_dimension, key.class_value}];
    line.resize(county_.size());
    ByWindow here;
    for (std::size_t w = 0; w < kWindowCount; ++w) here[w] = readings_of(*cell, windows_[w].days, catalogue_);
    for (const auto above : paths_[regions_.index_of(key.region_id)]) {
      if (!line[above]) line[above] = std::make_unique<ByWindow>();
      for (std::size_t w = 0; w < kWindowCount; ++w) (*line[above])[w].add(here[w]);
    }
  }
  const auto fill = [](const Readings& readings, BrandValues& values, BrandMeasure size, BrandMeasure first) {
    at(values, size) = readings.size();
    if (at(values, size) == 0) return;
    const auto quantiles = readings.quantiles(kQuartiles);
    std::copy(quantiles.begin(), quantiles.end(), values.begin() + static_cast<std::ptrdiff_t>(first));
  };
  for (const auto& [key, regions] : read) {
    auto& line = lines.at(key);
    for (std::size_t region = 0; region < regions.size(); ++region) {
      if (!regions[region]) continue;
      for (std::size_t w = 0; w < kWindowCount; ++w) {
        const auto& readings = (*regions[region])[w];
        fill(readings.fen, line[region][w], BrandMeasure::price_readings, BrandMeasure::price_q1_fen);
        fill(readings.index, line[region][w], BrandMeasure::price_index_readings, BrandMeasure::price_index_q1_bp);
      }
    }
  }
}

DayRows::ByClass<DayRows::LineSums> DayRows::sums_by_class(const CellsByKey& cells) const {
  ByClass<LineSums> lines;
  for (const auto& [key, cell] : cells) {
    auto& line = lines[{key.class_dimension, key.class_value}];
    line.resize(county_.size());
    const auto sums = sums_of(*cell);
    for (const auto above : paths_[regions_.index_of(key.region_id)]) {
      for (std::size_t w = 0; w < kWindowCount; ++w) {
        for (std::size_t m = 0; m < kBrandValueCount; ++m) {
          line[above][w][m] = wrapped_sum(line[above][w][m], sums[w][m]);
        }
      }
    }
  }
  return lines;
}

// A county is covered by a class if the brand's net deliveries there are at least one unit.
void DayRows::add_covered_counties(ByClass<LineSums>& lines) const {
  for (auto& [key, line] : lines) {
    for (std::size_t region = 0; region < county_.size(); ++region) {
      if (!county_[region]) continue;
      for (std::size_t w = 0; w < kWindowCount; ++w) {
        if (at(line[region][w], BrandMeasure::net_delivered_units) < 1) continue;
        for (const auto above : paths_[region]) ++at(line[above][w], BrandMeasure::covered_counties);
      }
    }
  }
}

std::vector<Row> DayRows::brand_rows(std::string_view brand_id, const CellsByKey& cells) const {
  auto lines = sums_by_class(cells);
  add_prices(cells, lines);
  add_covered_counties(lines);
  return collect(
      brand_id, lines, [&](const ClassKey& key, std::size_t region, const LineSums& sums, std::string& windows) {
        const auto found = outlets_.find(key);
        const auto* const outlets = found == outlets_.end() ? nullptr : &found->second[region];
        for (std::size_t w = 0; w < kWindowCount; ++w) {
          auto values = sums[w];
          at(values, BrandMeasure::net_delivered_units_change) =
              at(values, BrandMeasure::net_delivered_units) - at(values, BrandMeasure::previous_net_delivered_units);
          if (!has_anything_to_report(values)) continue;
          if (outlets != nullptr) {
            at(values, BrandMeasure::active_outlets) = outlets->active;
            at(values, BrandMeasure::dormant_outlets) = outlets->dormant;
            at(values, BrandMeasure::ordering_outlets) = outlets->ordering[w];
          }
          at(values, BrandMeasure::counties) = counties_[region];
          at(values, BrandMeasure::stock_units) /= kMillionth;
          at(values, BrandMeasure::sales_28d_units) = sales_of_28_days(at(values, BrandMeasure::sales_28d_units));
          append_brand_window(kWindows[w], as_of_, values, windows);
        }
      });
}

// Data quality of one window: received, then its parts.
void DayRows::fill_data_quality(std::size_t window, std::span<std::int64_t> values) const {
  if (quality_ == nullptr) return;
  constexpr auto kFirst = static_cast<std::size_t>(Contribution::accepted);
  for (std::size_t i = kFirst; i < kContributionCount; ++i) {
    const auto documents = quality_->get(static_cast<Contribution>(i)).between(windows_[window].days);
    values[0] += documents;
    values[i - kFirst + 1] = documents;
  }
}

std::vector<Row> DayRows::market_rows() const {
  return collect("", outlets_, [&](const ClassKey& key, std::size_t region, const Outlets& here, std::string& windows) {
    constexpr std::size_t kOfAllRows = 4;  // measures; the row of the whole market has those of data quality as well
    const bool whole_market = region == RegionTree::kRoot && key.first.empty();
    for (std::size_t w = 0; w < kWindowCount; ++w) {
      std::array<std::int64_t, kMarketMeasureNames.size()> values{here.active, here.dormant, here.visits_done[w],
                                                                  here.visits_not_done[w]};
      if (whole_market) fill_data_quality(w, std::span(values).subspan(kOfAllRows));
      if (std::all_of(values.begin(), values.end(), [](auto value) { return value == 0; })) continue;
      append_market_window(kWindows[w], as_of_, values, windows);
    }
  });
}

}  // namespace fiverate
