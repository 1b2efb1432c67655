// A record of deltas in the market stage: an invalid one is rejected. A valid one is added to running values and prices; these are
// equal after saving and loading; the sums do not depend on the order.
#include <algorithm>

#include "deltas.pb.h"
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

void check_deltas(const Deltas& deltas) {
  for (const auto& part : deltas.cells()) {
    if (!is_valid(part)) return;
  }
  RunningValues values(CellLayout::Content::brand, CellLayout::Content::market);
  values.add_cell(true);
  values.add_cell(false);
  values.restore_day(Day{20'000});
  CellPrices prices;
  Seal forwards;
  Seal backwards;
  for (const auto& part : deltas.cells()) {
    const CellNumber cell{part.brand_id().empty() ? 1U : 0U};
    for (int i = 0; i < part.days_size(); ++i)
      values.add(Day{part.days(i)}, {part.values(i), cell, static_cast<Contribution>(part.measures(i))});
    for (const auto& sku : part.prices()) prices.add(sku);
    sum_deltas(part, forwards);
  }
  for (auto part = deltas.cells().rbegin(); part != deltas.cells().rend(); ++part) sum_deltas(*part, backwards);
  CHECK(forwards.SerializeAsString() == backwards.SerializeAsString());
  check_prices(prices);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  DeltasRecord record;
  if (record.ParseFromArray(data, static_cast<int>(size))) check_deltas(record.deltas());
  PricesState state;
  if (state.ParseFromArray(data, static_cast<int>(size)) && is_valid(state)) check_prices(load(state));
  return 0;
}
