#include "processors/stages/delta_columns.h"

#include <algorithm>
#include <utility>

#include "processors/stages/equally_long.h"
#include "processors/trade/rows/running_values.h"

namespace fiverate {
namespace {

template <typename Column>
bool are_below(const Column& indexes, int size) {
  return std::all_of(indexes.begin(), indexes.end(), [&](auto index) { return std::cmp_less(index, size); });
}

bool is_day(std::int64_t day) {
  return day >= kNoDay.number && day <= kEndOfDays.number;
}

// Days and their sizes, which decide where the other columns end.
bool are_days_valid(const DeltaColumns& columns) {
  std::int64_t day = 0;
  std::int64_t differences = 0;
  for (int i = 0; i < columns.days_size(); ++i) {
    day += columns.days(i);
    differences += columns.day_sizes(i);
    if (!is_day(day) || (i > 0 && columns.days(i) <= 0)) return false;
  }
  return differences == columns.cells_size();
}

bool are_differences_valid(const DeltaColumns& columns) {
  int next = 0;
  for (const auto size : columns.day_sizes()) {
    std::uint64_t cell = 0;
    for (const auto end = next + static_cast<int>(size); next < end; ++next) {
      cell += columns.cells(next);
      const auto contribution = columns.contributions(next);
      if (std::cmp_greater_equal(cell, columns.cell_brands_size()) || contribution >= kContributionCount) return false;
      const bool has_brand = !brand_of(columns, static_cast<std::uint32_t>(cell)).empty();
      if (is_of_whole_outlets(static_cast<Contribution>(contribution)) == has_brand) return false;
    }
  }
  return true;
}

}  // namespace

bool is_valid(const DeltaColumns& columns) {
  return equally_long(columns.cell_brands(), columns.cell_segments()) &&
         are_below(columns.cell_brands(), columns.brand_ids_size()) &&
         are_below(columns.cell_segments(), columns.segments_size()) &&
         equally_long(columns.days(), columns.day_sizes()) &&
         equally_long(columns.cells(), columns.contributions(), columns.values()) && are_days_valid(columns) &&
         are_differences_valid(columns) &&
         equally_long(columns.price_cells(), columns.price_skus(), columns.prices(), columns.price_days(),
                      columns.price_counts()) &&
         are_below(columns.price_cells(), columns.cell_brands_size()) &&
         are_below(columns.price_skus(), columns.sku_ids_size()) &&
         std::all_of(columns.price_days().begin(), columns.price_days().end(), is_day);
}

void DeltaColumnsBuilder::begin_cell(const std::string& brand_id, SegmentNumber number, const Segment& segment) {
  const auto brands = columns_.brand_ids_size();
  if (brands == 0 || columns_.brand_ids(brands - 1) != brand_id) {
    columns_.add_brand_ids(brand_id);
    name_bytes_ += brand_id.size();
  }
  const auto [known, is_new] = segments_.try_emplace(number, static_cast<std::uint32_t>(columns_.segments_size()));
  if (is_new) {
    auto& added = *columns_.add_segments();
    added.set_region_id(segment.region_id);
    add_classes(segment, *added.mutable_classes());
    name_bytes_ += added.ByteSizeLong();
  }
  columns_.add_cell_brands(static_cast<std::uint32_t>(columns_.brand_ids_size() - 1));
  columns_.add_cell_segments(known->second);
}

void DeltaColumnsBuilder::add_price(const std::string& sku_id, std::int64_t price, Day day, std::int64_t count) {
  const auto [known, is_new] = skus_.try_emplace(sku_id, static_cast<std::uint32_t>(columns_.sku_ids_size()));
  if (is_new) {
    columns_.add_sku_ids(sku_id);
    name_bytes_ += sku_id.size();
  }
  columns_.add_price_cells(static_cast<std::uint32_t>(columns_.cell_brands_size() - 1));
  columns_.add_price_skus(known->second);
  columns_.add_prices(price);
  columns_.add_price_days(day.number);
  columns_.add_price_counts(count);
}

std::size_t DeltaColumnsBuilder::bytes() const {
  constexpr std::size_t kOfCell = 3;
  constexpr std::size_t kOfDifference = 6;
  constexpr std::size_t kOfPrice = 12;
  return name_bytes_ + kOfCell * static_cast<std::size_t>(columns_.cell_brands_size()) +
         kOfDifference * differences_.size() + kOfPrice * static_cast<std::size_t>(columns_.prices_size());
}

// The positions of the differences, sorted by day; those of one day keep their order. Days are close together, but for
// kNoDay, so they are counted.
std::vector<std::uint32_t> DeltaColumnsBuilder::positions_by_day() const {
  Day first = kEndOfDays;
  Day last = kNoDay;
  for (const auto& one : differences_) {
    if (one.day == kNoDay) continue;
    first = std::min(first, one.day);
    last = std::max(last, one.day);
  }
  const auto days = first > last ? 0 : static_cast<std::size_t>(last - first) + 1;
  const auto number = [&](Day day) { return day == kNoDay ? 0 : static_cast<std::size_t>(day - first) + 1; };
  std::vector<std::uint32_t> begins(days + 2);  // of each day, by its number: where its positions begin
  for (const auto& one : differences_) ++begins[number(one.day) + 1];
  for (std::size_t i = 1; i < begins.size(); ++i) begins[i] += begins[i - 1];
  std::vector<std::uint32_t> positions(differences_.size());
  for (std::uint32_t i = 0; i < positions.size(); ++i) positions[begins[number(differences_[i].day)]++] = i;
  return positions;
}

DeltaColumns DeltaColumnsBuilder::release() {
  const auto order = positions_by_day();
  const auto size = static_cast<int>(differences_.size());
  columns_.mutable_cells()->Reserve(size);
  columns_.mutable_contributions()->Reserve(size);
  columns_.mutable_values()->Reserve(size);
  Day day{0};
  std::uint32_t cell = 0;
  std::uint32_t of_day = 0;
  for (const auto position : order) {
    const auto& [difference, on] = differences_[position];
    if (of_day == 0 || on != day) {
      if (of_day > 0) columns_.add_day_sizes(std::exchange(of_day, 0));
      columns_.add_days(on - std::exchange(day, on));
      cell = 0;
    }
    ++of_day;
    columns_.add_cells(difference.cell - std::exchange(cell, difference.cell));
    columns_.add_contributions(static_cast<std::uint32_t>(difference.contribution));
    columns_.add_values(difference.value);
  }
  if (of_day > 0) columns_.add_day_sizes(of_day);
  differences_.clear();
  segments_.clear();
  skus_.clear();
  name_bytes_ = 0;
  return std::exchange(columns_, {});
}

}  // namespace fiverate
