#include "processors/trade/rows/rates.h"

#include <algorithm>

#include "processors/trade/measures/measure.h"
#include "schemas/check.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

std::int64_t value_of(std::span<const std::int64_t> values, BrandMeasure measure) {
  return values[static_cast<std::size_t>(measure)];
}

RateStatus status_of(RateName which, std::int64_t numerator, std::int64_t denominator) {
  if (denominator <= 0) {
    const bool infinite = which == RateName::stock_to_sales && numerator > 0;
    return infinite ? MetricsRow::Rate::INFINITE : MetricsRow::Rate::NO_DENOMINATOR;
  }
  const bool small = which != RateName::coverage && denominator < kSampleMin;
  return small ? MetricsRow::Rate::LOW_SAMPLE : MetricsRow::Rate::OK;
}

}  // namespace

std::int64_t millionths(std::int64_t numerator, std::int64_t denominator) {
  CHECK(denominator > 0);
  __extension__ using Wide = __int128;  // a numerator times a million may not fit into 64 bits
  const auto negative = numerator < 0;
  const auto scaled = static_cast<Wide>(negative ? -static_cast<Wide>(numerator) : numerator) * 1'000'000;
  const auto rounded = (2 * scaled + denominator) / (2 * static_cast<Wide>(denominator));
  return static_cast<std::int64_t>(negative ? -rounded : rounded);
}

char* write_millionths(std::int64_t value_millionths, char* to) {
  if (value_millionths < 0) *to++ = '-';
  const auto absolute = value_millionths < 0 ? -value_millionths : value_millionths;
  const fmt::format_int whole(absolute / kMillionth);
  const fmt::format_int decimals(kMillionth + absolute % kMillionth);  // "1ffffff"
  auto* const point = std::copy_n(whole.data(), whole.size(), to);
  to = std::copy_n(decimals.data(), decimals.size(), point);
  *point = '.';
  return to;
}

std::string millionths_text(std::int64_t value_millionths) {
  std::array<char, kMillionthsTextMax> text;
  return {text.data(), write_millionths(value_millionths, text.data())};
}

std::int64_t Rate::value_millionths() const {
  CHECK(has_value(), name());
  return millionths(numerator, denominator);
}

Rates rates_of(std::span<const std::int64_t> values) {
  CHECK(values.size() == kBrandValueCount, values.size());
  Rates rates{};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const auto which = static_cast<RateName>(i);
    const auto denominator = value_of(values, kRateFormulas[i].denominator);
    auto numerator = value_of(values, kRateFormulas[i].numerator);
    if (which == RateName::growth_yoy) numerator -= denominator;
    rates[i] = {which, numerator, denominator, status_of(which, numerator, denominator)};
  }
  return rates;
}

std::optional<std::int64_t> observed_share(std::int64_t known_days, std::int64_t unknown_days) {
  const auto all = known_days + unknown_days;
  if (all == 0) return std::nullopt;
  return millionths(known_days, all);
}

std::optional<RateStatus> price_status(std::int64_t price_readings) {
  if (price_readings == 0) return std::nullopt;
  return price_readings < kPricesMin ? MetricsRow::Rate::LOW_SAMPLE : MetricsRow::Rate::OK;
}

}  // namespace fiverate
