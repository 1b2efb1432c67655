// Random numbers for the simulated market. Generator and samplers use integers only, so that a seed gives the same market on every
// machine (the distributions of <random> differ between libraries, floating point between compilers).
//
// Each outlet and each document has a generator of its own, from derive(). Therefore the history of one outlet does not depend
// on the number of the others.
//
// Shares are in millionths, factors in thousandths (kOne = 1), means in thousandths as well.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace fiverate {

inline constexpr std::int64_t kOne = 1'000;          // of factors
inline constexpr std::int64_t kCertain = 1'000'000;  // of shares

// a x factor, to the nearest; both >= 0.
constexpr std::int64_t scaled(std::int64_t a, std::int64_t factor) {
  return (a * factor + kOne / 2) / kOne;
}

class Random {
 public:
  // The generator of the object that these numbers identify.
  static Random derive(std::uint64_t seed, std::initializer_list<std::uint64_t> object) {
    std::uint64_t state = mixed(seed + kStep);
    for (const auto number : object) state = mixed(state ^ mixed(number + kStep));
    return Random(state);
  }

  std::uint64_t next() {
    return mixed(state_ += kStep);
  }  // splitmix64: 8 bytes of state, because there are many outlets

  // 0 <= result < limit; limit >= 1.
  std::int64_t below(std::int64_t limit) {
    const auto wide = static_cast<Wide>(next()) * static_cast<Wide>(limit);
    return static_cast<std::int64_t>(wide >> 64U);
  }
  std::int64_t between(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }
  bool chance(std::int64_t millionths) { return below(kCertain) < millionths; }

  // An index, with a probability in proportion to its weight. At least one weight is > 0.
  template <std::size_t N>
  std::size_t weighted(const std::array<std::int32_t, N>& weights) {
    std::int64_t sum = 0;
    for (const auto weight : weights) sum += weight;
    auto left = below(sum);
    std::size_t at = 0;
    while (left >= weights[at]) left -= weights[at++];
    return at;
  }

  // A Poisson number; the mean is in thousandths, >= 0. The time grows with the mean.
  std::int64_t poisson(std::int64_t mean);
  // Demand: a Poisson number of customers, each of whom takes one, two or three. The variance is 1.7 x mean.
  std::int64_t demand(std::int64_t mean);

 private:
  __extension__ using Wide = unsigned __int128;
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15U;

  explicit Random(std::uint64_t state) : state_(state) {}
  static constexpr std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

  std::uint64_t state_;
};

}  // namespace fiverate
