#include "processors/trade/rules/alert_id.h"

#include <openssl/sha.h>

#include <array>
#include <string_view>

#include "schemas/format.h"

namespace fiverate {

std::string alert_id_of(const AlertKey& key) {
  const auto text = fmt::format("{}|{}|{}|{}|{}|{}|{}", key.rule, key.brand_id, key.sku_id, key.outlet_id,
                                key.region_id, key.class_dimension, key.class_value);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
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
