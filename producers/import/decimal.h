// Exact decimal numbers as tables have them ("67.725", "-3", ".5"), and their product as an integer. In binary floating point
// 4.35 x 100 would become 434, a wrong quantity.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fiverate {

// How to treat the fraction of a product.
enum class Rounding : std::uint8_t {
  refuse,   // the fraction must be zero
  half_up,  // round to the nearest integer, a half away from zero
  down,     // round towards zero
};

// digits / 10^scale, sign included.
struct Decimal {
  static constexpr int kDigitsMax = 18;  // the product of two such numbers fits into 128 bits

  std::int64_t digits = 0;
  int scale = 0;

  // Accepts an optional sign and digits with at most one point and at least one digit; no spaces, exponents or separators of
  // thousands. Leading and trailing zeros do not count as digits. Nothing if the text is not such a number or has too many
  // digits.
  static std::optional<Decimal> parse(std::string_view text);
};

// a x b. Nothing if the result does not fit into 64 bits, or has a fraction and `rounding` is refuse.
std::optional<std::int64_t> times(Decimal a, Decimal b, Rounding rounding);

}  // namespace fiverate
