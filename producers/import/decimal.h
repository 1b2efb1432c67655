// Exact decimal numbers as tables write them ("67.725", "-3", ".5"), and their product as an integer. Binary floating
// point would make 4.35 x 100 into 434; quantities are integers that have to be the right ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fiverate {

// What to do with what stands behind the point of a product.
enum class Rounding : std::uint8_t {
  refuse,   // there must be nothing
  half_up,  // to the nearest; a half away from zero
  down,     // towards zero
};

// digits / 10^scale, sign included.
struct Decimal {
  static constexpr int kDigitsMax = 18;  // always fits, also as the factor of a product

  std::int64_t digits = 0;
  int scale = 0;

  // An optional sign, then digits with at most one point and at least one digit; no spaces, no exponent, no separators
  // of thousands. Zeros that change nothing do not count as digits. Nothing if it is not such a number or has more
  // digits.
  static std::optional<Decimal> parse(std::string_view text);
};

// a x b. Nothing if that is no integer of 64 bits, or only with a rounding that was not asked for.
std::optional<std::int64_t> times(Decimal a, Decimal b, Rounding rounding);

}  // namespace fiverate
