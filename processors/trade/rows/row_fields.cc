#include "processors/trade/rows/row_fields.h"

#include <string>

#include "schemas/check.h"

namespace fiverate {
namespace {

template <std::size_t N>
std::array<RowFields::Field, N> fields_of(const google::protobuf::Descriptor& message,
                                          const std::array<std::string_view, N>& names) {
  std::array<RowFields::Field, N> fields{};
  for (std::size_t i = 0; i < N; ++i) {
    fields[i] = message.FindFieldByName(std::string(names[i]));
    CHECK(fields[i] != nullptr, message.full_name(), names[i]);
  }
  return fields;
}

}  // namespace

const RowFields& RowFields::get() {
  static const RowFields fields{fields_of(*MetricsRow::Measures::descriptor(), kBrandMeasureNames),
                                fields_of(*MetricsRow::Measures::descriptor(), kMarketMeasureNames),
                                fields_of(*MetricsRow::Rates::descriptor(), kRateNames)};
  return fields;
}

std::int64_t value_of(const MetricsRow::Measures& measures, RowFields::Field field) {
  return MetricsRow::Measures::GetReflection()->GetInt64(measures, field);
}

std::int64_t value_of(const MetricsRow::Measures& measures, BrandMeasure measure) {
  return value_of(measures, RowFields::get().brand_measures.at(static_cast<std::size_t>(measure)));
}

bool has_value(const MetricsRow::Measures& measures, BrandMeasure measure) {
  if (measure >= BrandMeasure::price_q1_fen && measure <= BrandMeasure::price_q3_fen)
    return measures.price_readings() > 0;
  if (measure >= BrandMeasure::price_index_q1_bp && measure <= BrandMeasure::price_index_q3_bp) {
    return measures.price_index_readings() > 0;
  }
  return true;
}

Day day_of(const MetricsRow& row) {
  return parse_date(row.as_of()).value_or(kNoDay);
}

Rates rates_of(const MetricsRow::Window& window) {
  const auto& fields = RowFields::get().rates;
  const auto* const reflection = MetricsRow::Rates::GetReflection();
  Rates rates{};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const auto& rate = static_cast<const MetricsRow::Rate&>(reflection->GetMessage(window.rates(), fields[i]));
    rates[i] = {static_cast<RateName>(i), rate.numerator(), rate.denominator(), rate.status()};
  }
  return rates;
}

}  // namespace fiverate
