#include "processors/trade/rules/alert_id.h"

#include <string_view>

#include "schemas/format.h"
#include "schemas/sha256.h"

namespace fiverate {

std::string alert_id_of(const AlertKey& key) {
  auto text = fmt::format("{}|{}|{}|{}|{}|{}|{}", key.rule, key.brand_id, key.sku_id, key.outlet_id, key.region_id,
                          key.class_dimension, key.class_value);
  if (!key.source_topic.empty()) text += fmt::format("|{}", key.source_topic);
  const auto digest = sha256(text);
  constexpr std::size_t kIdBytes = 8;
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string id;
  for (std::size_t i = 0; i < kIdBytes; ++i) {
    id += kHexDigits[digest[i] >> 4U];
    id += kHexDigits[digest[i] & 0xfU];
  }
  return id;
}

}  // namespace fiverate
