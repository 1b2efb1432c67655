#include "schemas/sha256.h"

#include <openssl/evp.h>

#include "schemas/check.h"

namespace fiverate {

std::array<std::uint8_t, 32> sha256(std::string_view text) {
  // To find an algorithm costs more than to hash a short text.
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::array<std::uint8_t, 32> digest{};
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, kAlgorithm, nullptr) == 1);
  return digest;
}

}  // namespace fiverate
