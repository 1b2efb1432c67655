// A record of deltas in the market stage: an invalid one is rejected. A valid one is added to running values and prices; these are
// equal after saving and loading.
#include <algorithm>

#include "deltas.pb.h"
#include "processors/stages/delta_columns.h"
#include "processors/stages/seal.h"
#include "processors/stages/state_codec.h"
#include "processors/trade/rows/running_values.h"
#include "processors/trade/rows/series.h"
#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace fiverate;

std::string saved(const CellPrices& prices) {
  PricesState state;
  save(prices, state);
  CHECK(is_valid(state));
  return state.SerializeAsString();
}

void check_prices(const CellPrices& prices) {
  const auto once = saved(prices);
  PricesState state;
  CHECK(state.ParseFromString(once));
  CHECK(saved(load(state)) == once);
}

void check_columns(const DeltaColumns& columns) {
  if (!is_valid(columns)) return;
  RunningValues values(CellLayout::Content::brand, CellLayout::Content::market);
  values.add_cell(true);
  values.add_cell(false);
  values.restore_day(Day{20'000});
  each_day(columns, [&](Day day, std::span<const ColumnDifference> differences) {
    for (const auto& one : differences) {
      const CellDifference difference{one.value, CellNumber{brand_of(columns, one.cell).empty() ? 1U : 0U},
                                      one.contribution};
      values.add(day, {&difference, 1});
    }
  });
  CellPrices prices;
  for (int i = 0; i < columns.prices_size(); ++i) {
    auto& sku = prices.of(columns.sku_ids(static_cast<int>(columns.price_skus(i))));
    sku.of(columns.prices(i)).add(Day{columns.price_days(i)}, columns.price_counts(i));
  }
  check_prices(prices);
  Seal all;
  Seal of_brands;
  sum_deltas(columns, true, all);
  sum_deltas(columns, false, of_brands);
  CHECK(is_valid(only(columns, [](Contribution contribution) { return is_step(contribution); })));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  DeltasRecord record;
  if (record.ParseFromArray(data, static_cast<int>(size))) check_columns(record.deltas().columns());
  PricesState state;
  if (state.ParseFromArray(data, static_cast<int>(size)) && is_valid(state)) check_prices(load(state));
  return 0;
}
