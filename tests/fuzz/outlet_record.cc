// The stored record of an outlet: an invalid one is rejected. After a valid one has been loaded and saved once, loading and saving
// do not change its bytes any more.
#include "processors/stages/state_codec.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/rules/outlet_alerts.h"
#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace fiverate;

std::string through_memory(const OutletState& state, MarketContext& context) {
  OutletState again;
  save(load(state, context), context, again);
  save(load_alerts(state), again);
  return again.SerializeAsString();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const MarketCalendar calendar("Asia/Shanghai");
  constexpr std::uint32_t kSkus = 8;
  MarketContext context{calendar, {}, {}};
  for (std::uint32_t number = 0; number < kSkus; ++number) {
    SkuState sku;
    sku.set_sku_id(std::to_string(number));
    sku.set_number(number);
    restore(sku, context.catalogue);
  }
  OutletState state;
  if (!state.ParseFromArray(data, static_cast<int>(size)) || !is_valid(state, context.catalogue.size())) return 0;
  const auto once = through_memory(state, context);
  CHECK(state.ParseFromString(once));
  CHECK(is_valid(state, context.catalogue.size()));
  CHECK(through_memory(state, context) == once);
  return 0;
}
