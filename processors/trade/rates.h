// The rates of a line, from its measures: numerator, denominator, value to six decimals, status. Integers throughout.
//
//   buying     = buying_outlets / active_outlets
//   coverage   = covered_counties / counties
//   repurchase = repeat_buying_outlets / buying_outlets
//   growth     = net_delivered_units_change / previous_net_delivered_units
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fiverate {

enum class RateStatus : std::uint8_t { ok, low_sample, no_denominator, infinite };
inline constexpr std::array<std::string_view, 4> kRateStatusNames{"OK", "LOW_SAMPLE", "NO_DENOMINATOR", "INFINITE"};
constexpr std::string_view name_of(RateStatus status) { return kRateStatusNames[static_cast<std::size_t>(status)]; }

struct Rate {
  std::string_view name;
  std::int64_t numerator;
  std::int64_t denominator;
  std::int64_t value_millionths;  // rounded half away from zero; meaningless without a denominator
  RateStatus status;

  [[nodiscard]] bool has_value() const { return status == RateStatus::ok || status == RateStatus::low_sample; }
};

inline constexpr std::int64_t kSampleMin = 30;  // below it a rate says LOW_SAMPLE (coverage excepted)

// numerator / denominator in millionths, rounded half away from zero. denominator > 0.
std::int64_t millionths(std::int64_t numerator, std::int64_t denominator);

// "0.691667", "-0.470000": always six decimals. Only of a rate that has a value.
std::string value_text(const Rate& rate);

// `measures` as in BrandMeasure.
std::array<Rate, 4> rates_of(std::span<const std::int64_t> measures);

}  // namespace fiverate
