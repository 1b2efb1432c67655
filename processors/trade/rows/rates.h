// The rates of a line, from its measures: numerator, denominator, value to six decimals, status. Integers throughout.
// Formulas: docs/glossary.md and FIVERATE_RATES in measure.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "processors/trade/measures/measure.h"

namespace fiverate {

enum class RateStatus : std::uint8_t { ok, low_sample, no_denominator, infinite };
inline constexpr std::array<std::string_view, 4> kRateStatusNames{"OK", "LOW_SAMPLE", "NO_DENOMINATOR", "INFINITE"};
constexpr std::string_view name_of(RateStatus status) { return kRateStatusNames[static_cast<std::size_t>(status)]; }

struct Rate {
  RateName which;
  std::int64_t numerator;
  std::int64_t denominator;
  std::int64_t value_millionths;  // rounded half away from zero; meaningless without a value
  RateStatus status;

  [[nodiscard]] std::string_view name() const { return kRateNames[static_cast<std::size_t>(which)]; }
  [[nodiscard]] bool has_value() const { return status == RateStatus::ok || status == RateStatus::low_sample; }
};
using Rates = std::array<Rate, kRateNames.size()>;

inline constexpr std::int64_t kSampleMin = 30;  // below it a rate says LOW_SAMPLE (coverage excepted)
inline constexpr std::int64_t kPricesMin = 5;   // readings; below it the median of prices does

// numerator / denominator in millionths, rounded half away from zero. denominator > 0.
std::int64_t millionths(std::int64_t numerator, std::int64_t denominator);

// "0.691667", "-0.470000": always six decimals.
std::string millionths_text(std::int64_t value_millionths);

// `values` as in BrandMeasure.
Rates rates_of(std::span<const std::int64_t> values);

// Quantiles are there only if something was read; what stands behind the named measures never is.
bool is_published(BrandMeasure measure, std::span<const std::int64_t> values);

// How much of the stock's days is known: known_days / (known_days + unknown_days) in millionths. Nothing: there are none.
std::optional<std::int64_t> observed_share(std::span<const std::int64_t> values);

// Of the price quantiles; nothing: no reading.
std::optional<RateStatus> price_status(std::span<const std::int64_t> values);

}  // namespace fiverate
