#include "producers/simulate/random.h"

#include <algorithm>

namespace fiverate {
namespace {

// Probabilities have 47 bits after the point: multiplied by a mean of up to 8,000 thousandths they fit into 64 bits.
constexpr unsigned kBits = 47;
constexpr std::uint64_t kOneOf = std::uint64_t{1} << kBits;
constexpr std::uint64_t kExpOfMinusThousandth = 140'596'821'212'266;  // exp(-0.001)
constexpr std::int64_t kPieceMax = 8 * kOne;  // a sum of Poisson numbers is one too, so large means are drawn in pieces

constexpr std::uint64_t product(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(a) * b) >> kBits);
}

// exp(-i / 1000) and exp(-i).
struct Exponentials {
  std::array<std::uint64_t, 1000> of_thousandths{};
  std::array<std::uint64_t, 9> of_ones{};

  constexpr Exponentials() {
    of_thousandths[0] = of_ones[0] = kOneOf;
    for (std::size_t i = 1; i < of_thousandths.size(); ++i) {
      of_thousandths[i] = product(of_thousandths[i - 1], kExpOfMinusThousandth);
    }
    of_ones[1] = product(of_thousandths.back(), kExpOfMinusThousandth);
    for (std::size_t i = 2; i < of_ones.size(); ++i) of_ones[i] = product(of_ones[i - 1], of_ones[1]);
  }
};
constexpr Exponentials kExponentials;

}  // namespace

std::int64_t Random::poisson(std::int64_t mean) {
  std::int64_t sum = 0;
  for (auto left = mean; left > 0; left -= kPieceMax) {
    const auto piece = static_cast<std::uint64_t>(std::min(left, kPieceMax));
    auto probability = product(kExponentials.of_ones[piece / kOne], kExponentials.of_thousandths[piece % kOne]);
    auto at = next() >> (64 - kBits);
    std::uint64_t count = 0;
    while (at >= probability && probability > 0) {
      at -= probability;
      ++count;
      probability = probability * piece / (static_cast<std::uint64_t>(kOne) * count);
    }
    sum += static_cast<std::int64_t>(count);
  }
  return sum;
}

std::int64_t Random::demand(std::int64_t mean) {
  const auto customers = poisson(mean * 10 / 14);  // each takes 1.4 on average
  std::int64_t sum = customers;
  for (std::int64_t i = 0; i < customers; ++i) {
    const auto tenth = below(10);
    sum += tenth >= 9 ? 2 : tenth >= 7 ? 1 : 0;
  }
  return sum;
}

}  // namespace fiverate
