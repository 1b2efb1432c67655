#include "processors/stages/market_cells.h"

#include <charconv>
#include <utility>

#include "processors/stages/delta_columns.h"
#include "processors/stages/state_codec.h"
#include "processors/stream/state_table.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kNames = "n/";
constexpr std::string_view kFinalValues = "f/";
constexpr std::string_view kLiveValues = "v/";
constexpr std::string_view kPrices = "q/";

std::string digits_of(CellNumber cell) {
  return fmt::format("{:08x}", static_cast<std::uint32_t>(cell));
}

std::size_t parse_digits(std::string_view digits) {
  std::uint32_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
}

std::string encode(std::span<const std::int64_t> values) {
  RunningValuesState state;
  std::uint32_t zeros = 0;
  for (const auto value : values) {
    if (value == 0) {
      ++zeros;
      continue;
    }
    state.add_zeros(std::exchange(zeros, 0));
    state.add_values(value);
  }
  return state.SerializeAsString();
}

// False: there are more values than the cell has.
bool decode(const RunningValuesState& state, std::span<std::int64_t> values) {
  if (state.zeros_size() != state.values_size()) return false;
  std::size_t next = 0;
  for (int i = 0; i < state.values_size(); ++i) {
    next += state.zeros(i);
    if (next >= values.size()) return false;
    values[next++] = state.values(i);
  }
  return true;
}

void save_changed(std::string_view prefix, RunningValues& values, StoreBatch& batch) {
  for (const auto cell : values.pop_changed()) {
    batch.put(std::string(prefix) + digits_of(cell), encode(values.mutable_values(cell)));
  }
}

Result<void> restore(const Store& store, std::string_view prefix, Day day, RunningValues& values) {
  values.restore_day(day);
  return read_messages<RunningValuesState>(store, prefix, [&](std::string_view digits, RunningValuesState& state) {
    const auto cell = parse_digits(digits);
    return cell < values.cell_count() && decode(state, values.mutable_values(static_cast<CellNumber>(cell)));
  });
}

}  // namespace

MarketCells::MarketCells(RegionTree& regions, const Selection& selection, bool live_rows)
    : regions_(regions),
      final_values_(CellLayout::Content::brand, CellLayout::Content::market, selection),
      live_values_(live_rows ? CellLayout::Content::brand : CellLayout::Content::regional_rules,
                   live_rows ? CellLayout::Content::market : CellLayout::Content::nothing, selection) {}

Result<void> MarketCells::open(const Store& store, Day final_day, Day live_day) {
  TRY(read_messages<CellName>(store, kNames, [&](std::string_view digits, CellName& name) {
    if (parse_digits(digits) != cells_.size()) return false;
    const auto segment = number_of_segment(make_segment(name.region_id(), name.classes()));
    number_of(name.brand_id(), number_of_brand(name.brand_id()), segment);
    return true;
  }));
  saved_cells_ = cells_.size();
  TRY(read_messages<PricesState>(store, kPrices, [&](std::string_view digits, PricesState& state) {
    const auto cell = parse_digits(digits);
    if (cell >= cells_.size() || !is_valid(state)) return false;
    prices_[static_cast<CellNumber>(cell)].readings = load(state);
    return true;
  }));
  TRY(restore(store, kFinalValues, final_day, final_values_));
  TRY(restore(store, kLiveValues, live_day, live_values_));
  return differences_.open(store);
}

void MarketCells::save(StoreBatch& batch) {
  for (; saved_cells_ < cells_.size(); ++saved_cells_) {
    const auto& [brand_id, segment, lines, region] = cells_[saved_cells_];
    CellName name;
    name.set_brand_id(brand_id);
    name.set_region_id(segment->region_id);
    add_classes(*segment, *name.mutable_classes());
    batch.put(std::string(kNames) + digits_of(static_cast<CellNumber>(saved_cells_)), name.SerializeAsString());
  }
  differences_.save(batch);
  save_changed(kFinalValues, final_values_, batch);
  save_changed(kLiveValues, live_values_, batch);
  for (auto& [cell, prices] : prices_) {
    if (!std::exchange(prices.changed, false)) continue;
    PricesState state;
    fiverate::save(prices.readings, state);
    batch.put(std::string(kPrices) + digits_of(cell), state.SerializeAsString());
  }
}

std::uint32_t MarketCells::number_of_brand(const std::string& brand_id) {
  return brands_.try_emplace(brand_id, static_cast<std::uint32_t>(brands_.size())).first->second;
}

MarketCells::Segments::const_iterator MarketCells::number_of_segment(Segment segment) {
  const auto [known, is_new] = segments_.try_emplace(std::move(segment));
  if (is_new) known->second = {static_cast<std::uint32_t>(segments_.size() - 1), lines_.lines_of(known->first)};
  return known;
}

CellNumber MarketCells::number_of(const std::string& brand_id, std::uint32_t brand, Segments::const_iterator segment) {
  const auto key = std::uint64_t{brand} << 32 | segment->second.number;
  const auto [known, is_new] = numbers_.try_emplace(key, static_cast<CellNumber>(cells_.size()));
  if (!is_new) return known->second;
  by_brand_[brand_id].push_back(known->second);
  final_values_.add_cell(!brand_id.empty());
  live_values_.add_cell(!brand_id.empty());
  const auto region = regions_.index_of(segment->first.region_id);  // The record of the region itself may come later.
  cells_.push_back({brand_id, &segment->first, segment->second.lines, region});
  return known->second;
}

std::vector<CellNumber> MarketCells::numbers_of(const DeltaColumns& columns) {
  std::vector<std::uint32_t> brands;
  for (const auto& brand_id : columns.brand_ids()) brands.push_back(number_of_brand(brand_id));
  std::vector<Segments::const_iterator> segments;
  for (const auto& one : columns.segments()) {
    segments.push_back(number_of_segment(make_segment(one.region_id(), one.classes())));
  }
  std::vector<CellNumber> numbers;
  numbers.reserve(static_cast<std::size_t>(columns.cell_brands_size()));
  for (int i = 0; i < columns.cell_brands_size(); ++i) {
    const auto brand = columns.cell_brands(i);
    numbers.push_back(
        number_of(columns.brand_ids(static_cast<int>(brand)), brands[brand], segments[columns.cell_segments(i)]));
  }
  return numbers;
}

std::vector<CellNumber> MarketCells::add(const DeltaColumns& columns) {
  auto numbers = numbers_of(columns);
  std::vector<CellDifference> of_cells;
  each_day(columns, [&](Day day, std::span<const ColumnDifference> differences) {
    of_cells.clear();
    for (const auto& one : differences) of_cells.push_back({one.value, numbers[one.cell], one.contribution});
    differences_.add(day, of_cells);
    final_values_.add(day, of_cells);
    live_values_.add(day, of_cells);
  });
  for (int i = 0; i < columns.prices_size(); ++i) {
    auto& prices = prices_[numbers[columns.price_cells(i)]];
    auto& sku = prices.readings.of(columns.sku_ids(static_cast<int>(columns.price_skus(i))));
    sku.of(columns.prices(i)).add(Day{columns.price_days(i)}, columns.price_counts(i));
    prices.changed = true;
  }
  return numbers;
}

std::vector<CellOfDay> MarketCells::of_day(const std::vector<CellNumber>& cells, const RunningValues& values) const {
  std::vector<CellOfDay> of_day;
  of_day.reserve(cells.size());
  for (const auto number : cells) {
    const auto& one = cell(number);
    const auto prices = prices_.find(number);
    of_day.push_back({one.lines, one.region, values.values(number),
                      prices == prices_.end() || prices->second.readings.empty() ? nullptr : &prices->second.readings});
  }
  return of_day;
}

Result<void> MarketCells::drop_old() {
  const auto day = final_values_.day();
  if (day == kNoDay) return {};
  for (auto& [cell, prices] : prices_) {
    prices.readings.fold_before(day + 1);
    prices.changed = true;
  }
  return differences_.drop_before(day);
}

}  // namespace fiverate
