#include "processors/trade/rows.h"

#include <algorithm>
#include <array>

namespace fiverate {
namespace {

// The additive measures of one line in one window.
struct WindowSums {
  std::int64_t delivered = 0;
  std::int64_t returned = 0;
  std::int64_t previous_net = 0;
  std::int64_t buying = 0;
  std::int64_t repeat_buying = 0;
  std::int64_t covered_counties = 0;

  [[nodiscard]] std::int64_t net() const { return delivered - returned; }
  // A line exists if any of these is not 0 (net and change follow from them).
  [[nodiscard]] bool reports() const {
    return delivered != 0 || returned != 0 || previous_net != 0 || buying != 0 || repeat_buying != 0 ||
           covered_counties != 0;
  }
  void add(const WindowSums& other) {
    delivered += other.delivered;
    returned += other.returned;
    previous_net += other.previous_net;
    buying += other.buying;
    repeat_buying += other.repeat_buying;
  }
};
using LineSums = std::array<WindowSums, kWindowCount>;

LineSums sums_of(const Cell& cell, Day as_of) {
  const auto& delivered = cell.get(Contribution::delivered_units);
  const auto& returned = cell.get(Contribution::returned_units);
  LineSums sums;
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    const auto first = as_of - (kWindows[w] - 1);
    const auto previous_first = first - kWindows[w];
    sums[w].delivered = delivered.between(first, as_of);
    sums[w].returned = returned.between(first, as_of);
    sums[w].previous_net =
        delivered.between(previous_first, first - 1) - returned.between(previous_first, first - 1);
    sums[w].buying = cell.get(buying_in(w)).through(as_of);
    sums[w].repeat_buying = cell.get(repeat_buying_in(w)).through(as_of);
  }
  return sums;
}

}  // namespace

DayRows::DayRows(RegionTree& regions, Day as_of, Millis counties_known_before, const LeafCells& market_cells)
    : regions_(regions), as_of_(as_of) {
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
    auto& line = presence_[{leaf.class_dimension, leaf.class_value}];
    line.resize(count);
    const auto region = regions_.index_of(leaf.region_id);
    if (region == RegionTree::kRoot && leaf.class_dimension.empty()) quality_ = cell;
    const Presence here{cell->get(Contribution::active_outlets).through(as_of),
                        cell->get(Contribution::dormant_outlets).through(as_of)};
    for (const auto above : paths_[region]) {
      line[above].active += here.active;
      line[above].dormant += here.dormant;
    }
  }
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

std::vector<MetricsRow> DayRows::brand_rows(std::string_view brand_id, const LeafCells& cells) const {
  const auto count = county_.size();
  ByClass<LineSums> lines;
  for (const auto& [leaf, cell] : cells) {
    auto& line = lines[{leaf.class_dimension, leaf.class_value}];
    line.resize(count);
    const auto sums = sums_of(*cell, as_of_);
    for (const auto above : paths_[regions_.index_of(leaf.region_id)]) {
      for (std::size_t w = 0; w < kWindowCount; ++w) line[above][w].add(sums[w]);
    }
  }
  for (auto& [key, line] : lines) {
    for (std::size_t region = 0; region < count; ++region) {
      if (!county_[region]) continue;
      for (std::size_t w = 0; w < kWindowCount; ++w) {
        if (line[region][w].net() < 1) continue;
        for (const auto above : paths_[region]) ++line[above][w].covered_counties;
      }
    }
  }

  return collect(brand_id, lines, [&](const ClassKey& key, std::size_t region, const LineSums& sums,
                                      MetricsRow::Line& line) {
    const auto found = presence_.find(key);
    const auto present = found == presence_.end() ? Presence{} : found->second[region];
    for (std::size_t w = 0; w < kWindowCount; ++w) {
      if (!sums[w].reports()) continue;
      auto& window = *line.add_windows();
      window.set_window_days(kWindows[w]);
      for (const auto value :
           {present.active, present.dormant, sums[w].delivered, sums[w].returned, sums[w].net(), sums[w].previous_net,
            sums[w].net() - sums[w].previous_net, sums[w].buying, sums[w].repeat_buying, counties_[region],
            sums[w].covered_counties}) {
        window.add_values(value);
      }
    }
  });
}

std::vector<MetricsRow> DayRows::market_rows() const {
  return collect("", presence_, [&](const ClassKey& key, std::size_t region, const Presence& present,
                                    MetricsRow::Line& line) {
    for (const auto window_days : kWindows) {
      std::vector<std::int64_t> values{present.active, present.dormant};
      if (region == RegionTree::kRoot && key.first.empty()) {
        std::int64_t received = 0;
        std::vector<std::int64_t> parts;
        for (auto c = static_cast<std::size_t>(Contribution::accepted); c < kContributionCount; ++c) {
          const auto part = quality_ == nullptr ? 0
                                                : quality_->get(static_cast<Contribution>(c))
                                                      .between(as_of_ - (window_days - 1), as_of_);
          received += part;
          parts.push_back(part);
        }
        values.push_back(received);
        values.insert(values.end(), parts.begin(), parts.end());
      }
      if (std::all_of(values.begin(), values.end(), [](auto value) { return value == 0; })) continue;
      auto& window = *line.add_windows();
      window.set_window_days(window_days);
      for (const auto value : values) window.add_values(value);
    }
  });
}

}  // namespace fiverate
