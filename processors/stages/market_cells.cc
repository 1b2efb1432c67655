#include "processors/stages/market_cells.h"

#include <charconv>
#include <utility>

#include "processors/stages/state_codec.h"
#include "processors/stream/key_parts.h"
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

template <typename Classes>
std::string name_key(const std::string& brand_id, const std::string& region_id, const Classes& classes) {
  std::string key;
  append_part(key, brand_id);
  append_part(key, region_id);
  for (const ClassValue& one : classes) {
    append_part(key, one.dimension());
    append_part(key, one.value());
  }
  return key;
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
    add_cell(name_key(name.brand_id(), name.region_id(), name.classes()), name.brand_id(),
             make_segment(name.region_id(), name.classes()));
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

CellNumber MarketCells::number_of(const CellDeltas& deltas) {
  auto key = name_key(deltas.brand_id(), deltas.region_id(), deltas.classes());
  const auto found = numbers_.find(key);
  if (found != numbers_.end()) return found->second;
  return add_cell(std::move(key), deltas.brand_id(), make_segment(deltas.region_id(), deltas.classes()));
}

CellNumber MarketCells::add_cell(std::string key, std::string brand_id, Segment segment) {
  const auto number = static_cast<CellNumber>(cells_.size());
  numbers_.emplace(std::move(key), number);
  by_brand_[brand_id].push_back(number);
  final_values_.add_cell(!brand_id.empty());
  live_values_.add_cell(!brand_id.empty());
  const auto region = regions_.index_of(segment.region_id);  // The record of the region itself may come later.
  const auto [known, is_new] = segments_.try_emplace(std::move(segment));
  if (is_new) known->second = lines_.lines_of(known->first);
  cells_.push_back({std::move(brand_id), &known->first, known->second, region});
  return number;
}

CellNumber MarketCells::add(const CellDeltas& deltas) {
  const auto number = number_of(deltas);
  for (int i = 0; i < deltas.days_size(); ++i) {
    const Day day{deltas.days(i)};
    const CellDifference difference{deltas.values(i), number, static_cast<Contribution>(deltas.measures(i))};
    differences_.add(day, difference);
    final_values_.add(day, difference);
    live_values_.add(day, difference);
  }
  if (deltas.prices().empty()) return number;
  auto& prices = prices_[number];
  for (const auto& sku : deltas.prices()) prices.readings.add(sku);
  prices.changed = true;
  return number;
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
