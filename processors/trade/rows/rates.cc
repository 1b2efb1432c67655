#include "processors/trade/rows/rates.h"

#include "processors/trade/measures/measure.h"
#include "schemas/check.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::size_t kDecimals = 6;

std::int64_t value_of(std::span<const std::int64_t> values, BrandMeasure measure) {
  return values[static_cast<std::size_t>(measure)];
}

Rate rate(RateName which, std::int64_t numerator, std::int64_t denominator) {
  if (denominator <= 0) {
    const bool infinite = which == RateName::stock_to_sales && numerator > 0;
    return {which, numerator, denominator, 0, infinite ? RateStatus::infinite : RateStatus::no_denominator};
  }
  const bool small = which != RateName::coverage && denominator < kSampleMin;
  return {which, numerator, denominator, millionths(numerator, denominator),
          small ? RateStatus::low_sample : RateStatus::ok};
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

std::string millionths_text(std::int64_t value_millionths) {
  const auto absolute = value_millionths < 0 ? -value_millionths : value_millionths;
  const fmt::format_int whole(absolute / kMillionth);
  const fmt::format_int decimals(kMillionth + absolute % kMillionth);  // "1ffffff"
  std::string text(value_millionths < 0 ? "-" : "");
  text.append(whole.data(), whole.size());
  text.append(decimals.data(), decimals.size())[text.size() - kDecimals - 1] = '.';
  return text;
}

Rates rates_of(std::span<const std::int64_t> values) {
  CHECK(values.size() == kBrandValueCount, values.size());
  Rates rates{};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const auto which = static_cast<RateName>(i);
    const auto denominator = value_of(values, kRateFormulas[i].denominator);
    auto numerator = value_of(values, kRateFormulas[i].numerator);
    if (which == RateName::growth_yoy) numerator -= denominator;
    rates[i] = rate(which, numerator, denominator);
  }
  return rates;
}

bool is_published(BrandMeasure measure, std::span<const std::int64_t> values) {
  if (measure >= BrandMeasure::price_q1_fen && measure <= BrandMeasure::price_q3_fen) {
    return value_of(values, BrandMeasure::price_readings) > 0;
  }
  if (measure >= BrandMeasure::price_index_q1_bp && measure <= BrandMeasure::price_index_q3_bp) {
    return value_of(values, BrandMeasure::price_index_readings) > 0;
  }
  return static_cast<std::size_t>(measure) < kBrandMeasureNames.size();
}

std::optional<std::int64_t> observed_share(std::span<const std::int64_t> values) {
  const auto known = value_of(values, BrandMeasure::known_days);
  const auto all = known + value_of(values, BrandMeasure::unknown_days);
  if (all == 0) return std::nullopt;
  return millionths(known, all);
}

std::optional<RateStatus> price_status(std::span<const std::int64_t> values) {
  const auto readings = value_of(values, BrandMeasure::price_readings);
  if (readings == 0) return std::nullopt;
  return readings < kPricesMin ? RateStatus::low_sample : RateStatus::ok;
}

}  // namespace fiverate
