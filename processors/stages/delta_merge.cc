#include "processors/stages/delta_merge.h"

#include <algorithm>
#include <bit>
#include <boost/sort/spreadsort/integer_sort.hpp>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>

#include "processors/stages/delta_columns.h"
#include "processors/trade/base/add_up.h"
#include "schemas/check.h"
#include "schemas/topics.h"

namespace fiverate {
namespace {

// The pieces of each market partition.
class Pieces {
 public:
  explicit Pieces(std::int32_t partitions)
      : pieces_(static_cast<std::size_t>(partitions)), builders_(static_cast<std::size_t>(partitions)) {}

  // Calls `add` with the builder of each partition that gets the cell.
  template <typename Add>
  void add_cell(const std::string& brand_id, Add&& add) {
    const auto partitions = static_cast<std::int32_t>(builders_.size());
    const auto only = brand_id.empty() ? kAll : partition_of(brand_id, partitions);
    for (std::int32_t partition = 0; partition < partitions; ++partition) {
      if (only != kAll && only != partition) continue;
      auto& builder = builders_[static_cast<std::size_t>(partition)];
      if (builder.bytes() >= DeltaMerge::kPieceBytes) add_piece(static_cast<std::size_t>(partition));
      add(builder);
    }
  }

  [[nodiscard]] std::vector<std::vector<Deltas>> release(bool even_if_empty) {
    for (std::size_t partition = 0; partition < pieces_.size(); ++partition) {
      if (!builders_[partition].empty() || (even_if_empty && pieces_[partition].empty())) add_piece(partition);
    }
    return std::move(pieces_);
  }

 private:
  static constexpr std::int32_t kAll = -1;

  void add_piece(std::size_t partition) {
    *pieces_[partition].emplace_back().mutable_columns() = builders_[partition].release();
  }

  std::vector<std::vector<Deltas>> pieces_;
  std::vector<DeltaColumnsBuilder> builders_;
};

template <typename Number>
std::size_t index(Number number) {
  return static_cast<std::size_t>(number);
}

}  // namespace

// The ranks of those numbers that are used, in the order of the names behind them.
class DeltaMerge::Ranks {
 public:
  void use(std::size_t number) {
    if (number >= rank_of_.size()) rank_of_.resize(number + 1, kUnused);
    if (rank_of_[number] != kUnused) return;
    rank_of_[number] = 0;
    numbers_.push_back(number);
  }
  template <typename Before>
  void sort(Before&& before) {
    std::sort(numbers_.begin(), numbers_.end(), before);
    for (std::uint32_t rank = 0; rank < numbers_.size(); ++rank) rank_of_[numbers_[rank]] = rank;
  }
  [[nodiscard]] std::uint64_t of(std::size_t number) const { return rank_of_[number]; }
  [[nodiscard]] std::size_t number(std::uint64_t rank) const { return numbers_[rank]; }
  [[nodiscard]] int bits() const { return static_cast<int>(std::bit_width(numbers_.size())); }

 private:
  static constexpr std::uint32_t kUnused = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> rank_of_;
  std::vector<std::size_t> numbers_;
};

// The canonical order of differences is by the names of brand and segment, which do not depend on the numbers that this process
// gave them, then by contribution and day. A key packs the four into 64 bits.
struct DeltaMerge::Keys {
  const MarketContext& context;
  Ranks brands, segments;
  Day first_day{std::numeric_limits<std::int32_t>::max()};
  Day last_day{std::numeric_limits<std::int32_t>::min()};
  int day_bits = 0;
  int segment_shift = 0;
  int brand_shift = 0;

  static constexpr int kContributionBits = std::bit_width(kContributionCount);

  Keys(const MarketContext& market, const std::vector<DatedDelta>& deltas, const std::vector<PriceDelta>& prices)
      : context(market) {
    for (const auto& delta : deltas) {
      brands.use(index(delta.brand));
      segments.use(index(delta.segment));
      if (delta.day == kNoDay) continue;
      first_day = std::min(first_day, delta.day);
      last_day = std::max(last_day, delta.day);
    }
    for (const auto& price : prices) {
      brands.use(index(brand_of(price)));
      segments.use(index(price.segment));
    }
    brands.sort([&](auto a, auto b) { return brand_id(a) < brand_id(b); });
    segments.sort([&](auto a, auto b) { return segment(a) < segment(b); });
    day_bits = first_day > last_day ? 1 : std::bit_width(static_cast<std::uint32_t>(last_day - first_day) + 1U);
    segment_shift = day_bits + kContributionBits;
    brand_shift = segment_shift + segments.bits();
    CHECK(brand_shift + brands.bits() <= 64, day_bits, segments.bits(), brands.bits());
  }

  [[nodiscard]] const std::string& brand_id(std::size_t number) const {
    return context.catalogue.brand_id(static_cast<BrandNumber>(number));
  }
  [[nodiscard]] const Segment& segment(std::size_t number) const {
    return context.segments.segment(static_cast<SegmentNumber>(number));
  }
  [[nodiscard]] BrandNumber brand_of(const PriceDelta& price) const { return context.catalogue.brand_of(price.sku); }

  // Cells, that is brand and segment, in canonical order.
  [[nodiscard]] std::uint64_t cell(BrandNumber brand, SegmentNumber segment) const {
    return brands.of(index(brand)) << segments.bits() | segments.of(index(segment));
  }
  [[nodiscard]] std::uint64_t cell(const PriceDelta& price) const { return cell(brand_of(price), price.segment); }
  [[nodiscard]] std::uint64_t cell(const Entry& entry) const { return entry.key >> segment_shift; }
  [[nodiscard]] std::uint64_t key(const DatedDelta& delta) const {
    return cell(delta.brand, delta.segment) << segment_shift |
           static_cast<std::uint64_t>(delta.contribution) << day_bits | day_code(delta.day);
  }
  // kNoDay is far from all other days.
  [[nodiscard]] std::uint64_t day_code(Day day) const {
    return day == kNoDay ? 0 : static_cast<std::uint64_t>(day - first_day) + 1;
  }
  [[nodiscard]] Day day(const Entry& entry) const {
    const auto code = entry.key & ((1ULL << day_bits) - 1);
    return code == 0 ? kNoDay : first_day + static_cast<std::int32_t>(code - 1);
  }

  [[nodiscard]] BrandNumber brand_at(std::uint64_t cell) const {
    return static_cast<BrandNumber>(brands.number(cell >> segments.bits()));
  }
  [[nodiscard]] SegmentNumber segment_at(std::uint64_t cell) const {
    return static_cast<SegmentNumber>(segments.number(cell & ((1ULL << segments.bits()) - 1)));
  }
  [[nodiscard]] Contribution contribution(const Entry& entry) const {
    return static_cast<Contribution>(entry.key >> day_bits & ((1ULL << kContributionBits) - 1));
  }
};

void DeltaMerge::add(const Differences& differences, const Selection& selection) {
  for (const auto& delta : differences.deltas) {
    if (delta.segment != kNoSegment && selection.has(delta.contribution)) deltas_.push_back(delta);
  }
  if (!selection.has(MeasureGroup::prices)) return;
  for (const auto& price : differences.prices) {
    if (price.segment != kNoSegment) prices_.push_back(price);
  }
}

// The sums of equal keys that are not zero, by key.
std::vector<DeltaMerge::Entry> DeltaMerge::sorted_entries(const Keys& keys) const {
  std::vector<Entry> entries;
  entries.reserve(deltas_.size());
  for (const auto& delta : deltas_) entries.push_back({keys.key(delta), delta.value});
  boost::sort::spreadsort::integer_sort(
      entries.begin(), entries.end(), [](const Entry& entry, unsigned offset) { return entry.key >> offset; },
      [](const Entry& a, const Entry& b) { return a.key < b.key; });
  add_up_equal(
      entries, [](const Entry& a, const Entry& b) { return a.key == b.key; },
      [](Entry& sum, const Entry& next) { sum.value = wrapped_sum(sum.value, next.value); });
  std::erase_if(entries, [](const Entry& entry) { return entry.value == 0; });
  return entries;
}

// By cell, SKU id, price and day, with the counts of equal ones added up.
void DeltaMerge::sort_prices(const Keys& keys) {
  const auto key = [&](const PriceDelta& price) {
    return std::tuple(keys.cell(price), std::string_view(keys.context.catalogue.sku_id(price.sku)), price.price,
                      price.day);
  };
  std::sort(prices_.begin(), prices_.end(), [&](const PriceDelta& a, const PriceDelta& b) { return key(a) < key(b); });
  add_up_equal(
      prices_, [&](const PriceDelta& a, const PriceDelta& b) { return key(a) == key(b); },
      [](PriceDelta& sum, const PriceDelta& next) { sum.count += next.count; });
  std::erase_if(prices_, [](const PriceDelta& price) { return price.count == 0; });
}

std::vector<std::vector<Deltas>> DeltaMerge::drain(const MarketContext& context, std::int32_t market_partitions,
                                                   bool even_if_empty) {
  const Keys keys(context, deltas_, prices_);
  const auto entries = sorted_entries(keys);
  sort_prices(keys);
  Pieces pieces(market_partitions);
  auto entry = entries.begin();
  auto price = prices_.begin();
  while (entry != entries.end() || price != prices_.end()) {
    const auto cell = price == prices_.end()   ? keys.cell(*entry)
                      : entry == entries.end() ? keys.cell(*price)
                                               : std::min(keys.cell(*entry), keys.cell(*price));
    const auto entries_end =
        std::find_if(entry, entries.end(), [&](const Entry& one) { return keys.cell(one) != cell; });
    const auto prices_end =
        std::find_if(price, prices_.end(), [&](const PriceDelta& one) { return keys.cell(one) != cell; });
    const auto& brand_id = context.catalogue.brand_id(keys.brand_at(cell));
    const auto segment = keys.segment_at(cell);
    pieces.add_cell(brand_id, [&](DeltaColumnsBuilder& builder) {
      builder.begin_cell(brand_id, segment, context.segments.segment(segment));
      for (auto one = entry; one != entries_end; ++one)
        builder.add(keys.contribution(*one), keys.day(*one), one->value);
      for (auto one = price; one != prices_end; ++one) {
        builder.add_price(context.catalogue.sku_id(one->sku), one->price, one->day, one->count);
      }
    });
    entry = entries_end;
    price = prices_end;
  }
  deltas_.clear();
  prices_.clear();
  return pieces.release(even_if_empty);
}

}  // namespace fiverate
