#include "processors/stages/seal.h"

#include <xxhash.h>

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "processors/stages/delta_columns.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

__extension__ using Wide = unsigned __int128;

struct Hash128 {
  std::uint64_t high;
  std::uint64_t low;
};

Hash128 hash_of(std::string_view bytes, std::uint64_t seed) {
  const auto hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {hash.high64, hash.low64};
}

// MurmurHash3's finalizer: each input bit changes about half of the output bits. Without it the hashes of two days
// would differ by the same amount in every cell, and the sum would not change when a unit moves between two cells.
constexpr std::uint64_t spread(std::uint64_t bits) {
  bits = (bits ^ bits >> 33) * 0xff51afd7ed558ccdULL;
  bits = (bits ^ bits >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return bits ^ bits >> 33;
}

// Derives the hash of an entry of a cell from the hash of the cell, which is computed once.
Hash128 mixed(Hash128 hash, std::uint64_t with) {
  return {spread(hash.high + with * 0x9e3779b97f4a7c15ULL), spread(hash.low ^ with * 0xc2b2ae3d27d4eb4fULL)};
}

// Ids may contain any character, so each part is followed by its length.
Hash128 hash_of_cell(const std::string& brand_id, const DeltaColumns::Segment& segment) {
  std::string parts;
  const auto append = [&](const std::string& part) {
    const auto size = part.size();
    parts.append(part).append(reinterpret_cast<const char*>(&size), sizeof(size));
  };
  append(brand_id);
  append(segment.region_id());
  for (const auto& one : segment.classes()) {
    append(one.dimension());
    append(one.value());
  }
  return hash_of(parts, 0);
}

// The hashes of key and value have no seed: XXH3 derives a secret from a seed for each long input.
std::uint64_t chained_hash(std::uint64_t chain, std::string_view key, std::string_view value) {
  const std::array parts{chain, XXH3_64bits(key.data(), key.size()), XXH3_64bits(value.data(), value.size())};
  return XXH3_64bits(parts.data(), sizeof(parts));
}

std::uint64_t of_day(std::int32_t measure, std::int32_t day) {
  return std::uint64_t{static_cast<std::uint32_t>(measure)} << 32 | static_cast<std::uint32_t>(day);
}

class RunningSum {
 public:
  explicit RunningSum(Seal& seal) : seal_(seal), sum_(Wide{seal.sum_high()} << 64 | seal.sum_low()) {}
  RunningSum(const RunningSum&) = delete;
  RunningSum& operator=(const RunningSum&) = delete;
  ~RunningSum() {
    seal_.set_sum_high(static_cast<std::uint64_t>(sum_ >> 64));
    seal_.set_sum_low(static_cast<std::uint64_t>(sum_));
  }
  // A negative value wraps around: -1 is 2^128 - 1.
  void add(std::int64_t value, Hash128 hash) { sum_ += static_cast<Wide>(value) * (Wide{hash.high} << 64 | hash.low); }

 private:
  Seal& seal_;
  Wide sum_;
};

}  // namespace

std::string seal_key(const Seal& seal) {
  return fmt::format(R"(["{}",{},"{}"])", seal.stage(), seal.partition(), format_date(Day{seal.day()}));
}

void chain_record(std::string_view key, std::string_view value, Seal& seal) {
  seal.set_chain(chained_hash(seal.chain(), key, value));
  seal.set_records(seal.records() + 1);
}

void chain_transition(std::string_view key, std::string_view value, Seal& seal) {
  seal.set_transitions_chain(chained_hash(seal.transitions_chain(), key, value));
  seal.set_transitions(seal.transitions() + 1);
}

void sum_deltas(const DeltaColumns& columns, bool with_whole_outlets, Seal& seal) {
  RunningSum sum(seal);
  std::vector<std::optional<Hash128>> cells;  // nullopt: it is not counted
  for (int i = 0; i < columns.cell_brands_size(); ++i) {
    const auto& brand_id = brand_of(columns, static_cast<std::uint32_t>(i));
    const bool counts = with_whole_outlets || !brand_id.empty();
    cells.push_back(counts ? std::optional(hash_of_cell(brand_id, segment_of(columns, static_cast<std::uint32_t>(i))))
                           : std::nullopt);
  }
  each_day(columns, [&](Day day, std::span<const ColumnDifference> differences) {
    for (const auto& one : differences) {
      if (!cells[one.cell]) continue;
      sum.add(one.value, mixed(*cells[one.cell], of_day(static_cast<std::int32_t>(one.contribution), day.number)));
    }
  });
  for (int i = 0; i < columns.prices_size(); ++i) {
    const auto& cell = cells[columns.price_cells(i)];
    if (!cell) continue;
    auto sku_hash = hash_of(columns.sku_ids(static_cast<int>(columns.price_skus(i))), cell->low);
    sku_hash.high ^= cell->high;
    const auto at_price = mixed(sku_hash, static_cast<std::uint64_t>(columns.prices(i)));
    sum.add(columns.price_counts(i), mixed(at_price, of_day(-1, columns.price_days(i))));
  }
}

void sum_row(std::string_view key, std::string_view value, Seal& seal) {
  RunningSum(seal).add(1, hash_of(value, hash_of(key, 0).low));
}

void add_sum(const Seal& other, Seal& seal) {
  RunningSum(seal).add(1, {other.sum_high(), other.sum_low()});
}

void write_seal(Stage stage, std::int32_t partition, Day day, Millis day_ends, Seal& seal, Outbox& outbox) {
  seal.set_stage(std::string(name_of(stage)));
  seal.set_partition(partition);
  seal.set_day(day.number);
  outbox.to_result(Topic::seals, partition, day_ends, seal_key(seal), seal.SerializeAsString());
}

}  // namespace fiverate
