#include "processors/trade/rows/rows.h"

#include <algorithm>
#include <memory>

#include "processors/trade/rows/prices.h"
#include "processors/trade/rows/stock.h"

namespace fiverate {
namespace {

constexpr std::array<std::int64_t, 3> kQuartiles{25, 50, 75};

std::int64_t& at(BrandValues& values, BrandMeasure measure) { return values[static_cast<std::size_t>(measure)]; }

// Of these alone no line is made; what stands behind the named ones follows from them.
constexpr bool makes_a_line(std::size_t measure) {
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

bool reports(const BrandValues& values) {
  for (std::size_t measure = 0; measure < values.size(); ++measure) {
    if (values[measure] != 0 && makes_a_line(measure)) return true;
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
                 const LeafCells& market_cells)
    : regions_(regions), catalogue_(catalogue), as_of_(as_of) {
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    windows_[w] = {window_of(kWindows[w], as_of), previous_of(kWindows[w], as_of), year_earlier(kWindows[w], as_of)};
  }
  for (const auto& [leaf, cell] : market_cells) regions_.index_of(leaf.region_id);
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
  for (const auto& [leaf, cell] : market_cells) {
    auto& line = outlets_[{leaf.class_dimension, leaf.class_value}];
    line.resize(count);
    const auto region = regions_.index_of(leaf.region_id);
    if (region == RegionTree::kRoot && leaf.class_dimension.empty()) quality_ = cell;
    Outlets here;
    here.active = cell->get(Contribution::active_outlets).through(as_of);
    here.dormant = cell->get(Contribution::dormant_outlets).through(as_of);
    for (std::size_t w = 0; w < kWindowCount; ++w) {
      here.ordering[w] = cell->get(in_window(Contribution::ordering_outlets, w)).through(as_of);
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
  for (const auto& [measure, contribution] : kMeasuresFrom<ContributionKind::step>) at(common, measure) = cell.get(contribution).through(as_of_);
  const auto stock = stock_of(cell, as_of_);
  at(common, BrandMeasure::stock_units) = stock.level;  // in millionths until the line is complete
  at(common, BrandMeasure::sales_28d_units) = stock.rate;
  LineSums sums;
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    auto& values = sums[w];
    values = common;
    const auto& window = windows_[w];
    for (const auto& [measure, contribution] : kMeasuresFrom<ContributionKind::flow>) at(values, measure) = cell.get(contribution).between(window.days);
    for (const auto& [measure, contribution] : kMeasuresFrom<ContributionKind::window_step>) {
      at(values, measure) = cell.get(in_window(contribution, w)).through(as_of_);
    }
    for (const auto& [measure, contribution] : kMeasuresFrom<ContributionKind::day_step>) {
      at(values, measure) = cell.get(contribution).days_between(window.days.first, window.days.last);
    }
    at(values, BrandMeasure::known_days) += at(values, BrandMeasure::stockout_days);  // in stock or out of it
    const auto net = [&](DayRange days) { return delivered.between(days) - returned.between(days); };
    at(values, BrandMeasure::net_delivered_units) = net(window.days);
    at(values, BrandMeasure::previous_net_delivered_units) = net(window.previous);
    at(values, BrandMeasure::year_earlier_net_delivered_units) = net(window.year_earlier);
  }
  return sums;
}

// Arranges lines into rows: one a (region, dimension), the total first. `fill(class key, region, line)` adds the windows
// that have something to report.
template <typename Value, typename Fill>
std::vector<MetricsRow> DayRows::collect(std::string_view brand_id, const ByClass<Value>& lines, Fill&& fill) const {
  std::vector<MetricsRow> rows;
  for (const auto region : by_name_) {
    MetricsRow::Line total;
    bool dimension_open = false;
    for (const auto& [key, values] : lines) {  // the total is the first: dimension ""
      MetricsRow::Line line;
      line.set_class_value(key.second);
      fill(key, region, values[region], line);
      if (key.first.empty()) total = line;
      if (line.windows_size() == 0) continue;
      dimension_open = dimension_open && rows.back().class_dimension() == key.first;
      if (!dimension_open) {
        auto& row = rows.emplace_back();
        row.set_brand_id(brand_id.data(), brand_id.size());
        row.set_region_id(regions_.region_id(region));
        row.set_class_dimension(key.first);
        row.set_as_of_day(as_of_.number);
        if (!key.first.empty() && total.windows_size() > 0) *row.add_lines() = total;
        dimension_open = true;
      }
      *rows.back().add_lines() = std::move(line);
    }
  }
  return rows;
}

// Readings of all leaves at or under a region, for lines that have any.
void DayRows::add_prices(const LeafCells& cells, ByClass<LineSums>& lines) const {
  using ByWindow = std::array<PriceReadings, kWindowCount>;
  ByClass<std::unique_ptr<ByWindow>> read;
  for (const auto& [leaf, cell] : cells) {
    if (cell->prices().empty()) continue;
    auto& line = read[{leaf.class_dimension, leaf.class_value}];
    line.resize(county_.size());
    ByWindow here;
    for (std::size_t w = 0; w < kWindowCount; ++w) here[w] = readings_of(*cell, windows_[w].days, catalogue_);
    for (const auto above : paths_[regions_.index_of(leaf.region_id)]) {
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

std::vector<MetricsRow> DayRows::brand_rows(std::string_view brand_id, const LeafCells& cells) const {
  const auto count = county_.size();
  ByClass<LineSums> lines;
  for (const auto& [leaf, cell] : cells) {
    auto& line = lines[{leaf.class_dimension, leaf.class_value}];
    line.resize(count);
    const auto sums = sums_of(*cell);
    for (const auto above : paths_[regions_.index_of(leaf.region_id)]) {
      for (std::size_t w = 0; w < kWindowCount; ++w) {
        for (std::size_t m = 0; m < kBrandValueCount; ++m) {
          line[above][w][m] = wrapped_sum(line[above][w][m], sums[w][m]);
        }
      }
    }
  }
  add_prices(cells, lines);
  for (auto& [key, line] : lines) {
    for (std::size_t region = 0; region < count; ++region) {
      if (!county_[region]) continue;
      for (std::size_t w = 0; w < kWindowCount; ++w) {
        if (at(line[region][w], BrandMeasure::net_delivered_units) < 1) continue;
        for (const auto above : paths_[region]) ++at(line[above][w], BrandMeasure::covered_counties);
      }
    }
  }

  return collect(brand_id, lines, [&](const ClassKey& key, std::size_t region, const LineSums& sums,
                                      MetricsRow::Line& line) {
    const auto found = outlets_.find(key);
    for (std::size_t w = 0; w < kWindowCount; ++w) {
      auto values = sums[w];
      at(values, BrandMeasure::net_delivered_units_change) =
          at(values, BrandMeasure::net_delivered_units) - at(values, BrandMeasure::previous_net_delivered_units);
      if (!reports(values)) continue;
      if (found != outlets_.end()) {
        at(values, BrandMeasure::active_outlets) = found->second[region].active;
        at(values, BrandMeasure::dormant_outlets) = found->second[region].dormant;
        at(values, BrandMeasure::ordering_outlets) = found->second[region].ordering[w];
      }
      at(values, BrandMeasure::counties) = counties_[region];
      at(values, BrandMeasure::stock_units) /= kMillionth;
      at(values, BrandMeasure::sales_28d_units) = sales_of_28_days(at(values, BrandMeasure::sales_28d_units));
      auto& window = *line.add_windows();
      window.set_window_days(kWindows[w]);
      window.mutable_values()->Add(values.begin(), values.end());
    }
  });
}

std::vector<MetricsRow> DayRows::market_rows() const {
  return collect("", outlets_, [&](const ClassKey& key, std::size_t region, const Outlets& here, MetricsRow::Line& line) {
    for (std::size_t w = 0; w < kWindowCount; ++w) {
      std::vector<std::int64_t> values{here.active, here.dormant, here.visits_done[w], here.visits_not_done[w]};
      if (region == RegionTree::kRoot && key.first.empty()) {
        std::int64_t received = 0;
        std::vector<std::int64_t> parts;
        for (auto c = static_cast<std::size_t>(Contribution::accepted); c < kContributionCount; ++c) {
          const auto part =
              quality_ == nullptr ? 0 : quality_->get(static_cast<Contribution>(c)).between(windows_[w].days);
          received += part;
          parts.push_back(part);
        }
        values.push_back(received);
        values.insert(values.end(), parts.begin(), parts.end());
      }
      if (std::all_of(values.begin(), values.end(), [](auto value) { return value == 0; })) continue;
      auto& window = *line.add_windows();
      window.set_window_days(kWindows[w]);
      for (const auto value : values) window.add_values(value);
    }
  });
}

}  // namespace fiverate
