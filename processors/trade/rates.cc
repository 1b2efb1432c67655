#include "processors/trade/rates.h"

#include "processors/trade/measure.h"
#include "schemas/check.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

Rate rate(std::string_view name, std::int64_t numerator, std::int64_t denominator, std::int64_t sample_min) {
  if (denominator <= 0) return {name, numerator, denominator, 0, RateStatus::no_denominator};
  return {name, numerator, denominator, millionths(numerator, denominator),
          denominator < sample_min ? RateStatus::low_sample : RateStatus::ok};
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

std::string value_text(const Rate& rate) {
  const auto absolute = rate.value_millionths < 0 ? -rate.value_millionths : rate.value_millionths;
  return fmt::format("{}{}.{:06}", rate.value_millionths < 0 ? "-" : "", absolute / 1'000'000, absolute % 1'000'000);
}

std::array<Rate, 4> rates_of(std::span<const std::int64_t> measures) {
  CHECK(measures.size() == kBrandMeasureNames.size(), measures.size());
  const auto of = [&](BrandMeasure measure) { return measures[static_cast<std::size_t>(measure)]; };
  return {rate("buying", of(BrandMeasure::buying_outlets), of(BrandMeasure::active_outlets), kSampleMin),
          rate("coverage", of(BrandMeasure::covered_counties), of(BrandMeasure::counties), 0),
          rate("repurchase", of(BrandMeasure::repeat_buying_outlets), of(BrandMeasure::buying_outlets), kSampleMin),
          rate("growth", of(BrandMeasure::net_delivered_units_change), of(BrandMeasure::previous_net_delivered_units),
               kSampleMin)};
}

}  // namespace fiverate
