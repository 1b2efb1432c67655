#include "processors/stages/day_differences.h"

#include <algorithm>
#include <boost/sort/spreadsort/integer_sort.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "processors/stages/state_codec.h"
#include "processors/stream/state_table.h"
#include "processors/trade/base/add_up.h"
#include "schemas/format.h"
#include "state.pb.h"

namespace fiverate {
namespace {

constexpr std::size_t kDigits = 8;

std::string key_of(Day day, std::uint32_t chunk) {
  return fmt::format("{}{:08x}{:08x}", DayDifferences::kPrefix, static_cast<std::uint32_t>(day.number), chunk);
}

// The parts of a key behind its prefix.
std::optional<std::pair<Day, std::uint32_t>> parse_key(std::string_view digits) {
  std::uint32_t day = 0;
  std::uint32_t chunk = 0;
  if (digits.size() != 2 * kDigits) return std::nullopt;
  std::from_chars(digits.data(), digits.data() + kDigits, day, 16);
  std::from_chars(digits.data() + kDigits, digits.data() + digits.size(), chunk, 16);
  return std::pair(Day{static_cast<std::int32_t>(day)}, chunk);
}

// Sorts by cell and contribution, adds up equal ones and removes zeros.
void merge(std::vector<CellDifference>& differences) {
  const auto key = [](const CellDifference& one) {
    return std::uint64_t{static_cast<std::uint32_t>(one.cell)} << 8 | static_cast<std::uint8_t>(one.contribution);
  };
  boost::sort::spreadsort::integer_sort(
      differences.begin(), differences.end(),
      [&](const CellDifference& one, unsigned offset) { return key(one) >> offset; },
      [&](const CellDifference& a, const CellDifference& b) { return key(a) < key(b); });
  add_up_equal(
      differences, [&](const CellDifference& a, const CellDifference& b) { return key(a) == key(b); },
      [](CellDifference& sum, const CellDifference& next) { sum.value = wrapped_sum(sum.value, next.value); });
  std::erase_if(differences, [](const CellDifference& one) { return one.value == 0; });
}

// `differences` are merged.
std::string encode(std::span<const CellDifference> differences) {
  DayDifferencesState state;
  std::uint32_t before = 0;
  for (const auto& one : differences) {
    const auto cell = static_cast<std::uint32_t>(one.cell);
    state.add_cells(cell - before);
    before = cell;
    state.add_contributions(static_cast<std::uint32_t>(one.contribution));
    state.add_values(one.value);
  }
  return state.SerializeAsString();
}

bool decode(std::string_view bytes, std::vector<CellDifference>& differences) {
  thread_local DayDifferencesState state;
  differences.clear();
  if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !is_valid(state)) return false;
  differences.reserve(static_cast<std::size_t>(state.cells_size()));
  std::uint32_t cell = 0;
  for (int i = 0; i < state.cells_size(); ++i) {
    cell += state.cells(i);
    differences.push_back(
        {state.values(i), static_cast<CellNumber>(cell), static_cast<Contribution>(state.contributions(i))});
  }
  return true;
}

}  // namespace

Result<void> DayDifferences::open(const Store& store) {
  store_ = &store;
  TRY(read_all(store, kPrefix, [&](std::string_view digits, std::string_view) {
    const auto key = parse_key(digits);
    if (key) days_[key->first].full_chunks = std::max(days_[key->first].full_chunks, key->second);
    return key.has_value();
  }));
  for (auto& [day, of_day] : days_) {
    const auto bytes = store.get(key_of(day, of_day.full_chunks));
    if (!bytes) return tl::make_unexpected(bytes.error());
    if (!*bytes || !decode(**bytes, of_day.last)) return damaged(store);
  }
  return {};
}

void DayDifferences::save(StoreBatch& batch) {
  for (auto& change : erased_.changes) batch.changes.push_back(std::move(change));
  erased_.changes.clear();
  if (!store_->is_opened_again()) return;  // The chunks stay in memory.
  for (auto& [day, of_day] : days_) {
    for (auto& [chunk, bytes] : of_day.unsaved) batch.put(key_of(day, chunk), std::move(bytes));
    of_day.unsaved.clear();
    if (!of_day.changed) continue;
    merge(of_day.last);
    batch.put(key_of(day, of_day.full_chunks), encode(of_day.last));
    of_day.changed = false;
  }
}

void DayDifferences::add(Day day, std::span<const CellDifference> differences) {
  auto& of_day = days_[day];
  for (const auto& one : differences) add_to(of_day, one);
}

void DayDifferences::add_to(OfDay& of_day, const CellDifference& difference) {
  of_day.last.push_back(difference);
  of_day.changed = true;
  if (of_day.last.size() < kChunkDifferences) return;
  merge(of_day.last);
  if (of_day.last.size() < kChunkDifferences / 2) return;
  of_day.unsaved.emplace(of_day.full_chunks, encode(of_day.last));
  of_day.last.clear();
  ++of_day.full_chunks;
}

Result<void> DayDifferences::visit(Day day, const OfDay& of_day,
                                   const std::function<void(std::span<const CellDifference>)>& visit) const {
  std::vector<CellDifference> chunk;
  for (std::uint32_t number = 0; number < of_day.full_chunks; ++number) {
    if (const auto unsaved = of_day.unsaved.find(number); unsaved != of_day.unsaved.end()) {
      if (!decode(unsaved->second, chunk)) return damaged(*store_);
    } else {
      TRY_VALUE(bytes, store_->get(key_of(day, number)));
      if (!bytes || !decode(*bytes, chunk)) return damaged(*store_);
    }
    visit(chunk);
  }
  visit(of_day.last);
  return {};
}

Result<void> DayDifferences::move(RunningValues& values, Day day) const {
  if (day <= values.day()) return {};
  std::vector<Day> days;
  days.reserve(days_.size());
  for (const auto& [with_differences, of_day] : days_) days.push_back(with_differences);
  bool known = true;
  for (const auto& pass : values.begin_move(day, days)) {
    TRY(visit(pass.day, days_.at(pass.day), [&](std::span<const CellDifference> some) {
      known = known && std::ranges::all_of(some, [&](const CellDifference& one) {
                return static_cast<std::size_t>(one.cell) < values.cell_count();
              });
      if (known) values.apply(pass, some);
    }));
  }
  if (!known) return damaged(*store_);
  values.end_move();
  return {};
}

Result<void> DayDifferences::drop_before(Day as_of) {
  const auto needed = first_day_needed(as_of);
  while (!days_.empty() && days_.begin()->first < needed.deliveries) {
    erase(days_.begin()->first, days_.begin()->second);
    days_.erase(days_.begin());
  }
  for (auto& [day, of_day] : days_) {
    if (day >= needed.all) break;
    if (of_day.deliveries_only) continue;
    OfDay kept;
    TRY(visit(day, of_day, [&](std::span<const CellDifference> some) {
      for (const auto& one : some) {
        if (is_delivery(one.contribution)) add_to(kept, one);
      }
    }));
    erase(day, of_day);
    kept.deliveries_only = true;
    kept.changed = true;
    of_day = std::move(kept);
  }
  return {};
}

void DayDifferences::erase(Day day, const OfDay& of_day) {
  for (std::uint32_t chunk = 0; chunk <= of_day.full_chunks; ++chunk) erased_.erase(key_of(day, chunk));
}

}  // namespace fiverate
