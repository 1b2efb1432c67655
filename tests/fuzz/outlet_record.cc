// The stored record of an outlet: an invalid one is rejected. After a valid one has been loaded and saved once, loading and saving
// do not change its bytes any more.
#include "processors/stages/outlet_codec.h"
#include "processors/stages/state_codec.h"
#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fiverate;
  static const MarketCalendar calendar("Asia/Shanghai");
  constexpr std::uint32_t kSkus = 8;
  MarketContext context{calendar, {}, {}};
  for (std::uint32_t number = 0; number < kSkus; ++number) {
    SkuState sku;
    sku.set_sku_id(std::to_string(number));
    sku.set_number(number);
    restore(sku, context.catalogue);
  }
  const OutletRecordCodec codec{&context};
  const auto outlet = codec.decode(fiverate::fuzz::bytes_of(data, size));
  if (!outlet) return 0;
  const auto once = codec.encode(*outlet);
  const auto again = codec.decode(once);
  CHECK(again.has_value());
  CHECK(codec.encode(*again) == once);
  return 0;
}
