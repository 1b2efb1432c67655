// Fixed-point numbers of stock levels and sales rates, and sums that wrap around at 64 bits.
#pragma once

#include <cstdint>

namespace fiverate {

inline constexpr std::int64_t kMillionth = 1'000'000;  // Levels are in millionths of a unit, rates in millionths a day.

// Sums and products modulo 2^64. The parts of a straight line (stock_base, stock_slope) may exceed 64 bits; their
// difference, the stock itself, does not as long as one row has at most 9.2e12 units.
constexpr std::int64_t wrapped_sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
constexpr std::int64_t wrapped_product(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

}  // namespace fiverate
