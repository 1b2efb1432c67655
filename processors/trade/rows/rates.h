// The rates of one line and window: numerator, denominator, status and the value to six decimals, all in integers.
// docs/glossary.md defines them; the table in rates.cc has the measures that each of them divides.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "metrics.pb.h"
#include "processors/trade/measures/measure.h"

namespace fiverate {

using RateStatus = MetricsRow::Rate::Status;
inline const std::string& name_of(RateStatus status) {
  return MetricsRow::Rate::Status_Name(status);
}

struct Rate {
  RateName which;
  std::int64_t numerator;
  std::int64_t denominator;
  RateStatus status;

  [[nodiscard]] std::string_view name() const { return kRateNames[static_cast<std::size_t>(which)]; }
  [[nodiscard]] bool has_value() const {
    return status == MetricsRow::Rate::OK || status == MetricsRow::Rate::LOW_SAMPLE;
  }
  // Rounded half away from zero. The rate must have a value.
  [[nodiscard]] std::int64_t value_millionths() const;
};
using Rates = std::array<Rate, kRateNames.size()>;  // by RateName

inline constexpr std::int64_t kSampleMin = 30;  // a rate with a smaller denominator is LOW_SAMPLE, except coverage
inline constexpr std::int64_t kPricesMin = 5;   // quartiles of fewer price readings are LOW_SAMPLE

// numerator / denominator in millionths, rounded half away from zero. The denominator must be above 0.
std::int64_t millionths(std::int64_t numerator, std::int64_t denominator);

// "0.691667", "-0.470000": always six decimals.
std::string millionths_text(std::int64_t value_millionths);
// The same into memory that holds kMillionthsTextMax characters. Returns the end.
inline constexpr std::size_t kMillionthsTextMax = 22;
char* write_millionths(std::int64_t value_millionths, char* to);

// `values` are those of a brand, by BrandMeasure.
Rates rates_of(std::span<const std::int64_t> values);

// The share of outlet-SKU-days with known stock in millionths, or nothing where there are no such days.
std::optional<std::int64_t> observed_share(std::int64_t known_days, std::int64_t unknown_days);

// The status of price quartiles, or nothing where there are no readings.
std::optional<RateStatus> price_status(std::int64_t price_readings);

}  // namespace fiverate
