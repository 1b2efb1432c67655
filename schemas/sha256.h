// The SHA-256 digest of a text. The only file of the core folders' dependencies that uses OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace fiverate {

std::array<std::uint8_t, 32> sha256(std::string_view text);

}  // namespace fiverate
