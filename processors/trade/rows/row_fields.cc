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

// Reflection would cost about as much as all else in writing a row as text.
using ReadMeasure = std::int64_t (*)(const MetricsRow::Measures&);
// Inputs of rates are no fields.
#define FIVERATE_READ(name, ...)                   \
  [](const auto& measures) -> std::int64_t {       \
    if constexpr (requires { measures.name(); }) { \
      return measures.name();                      \
    } else {                                       \
      return 0;                                    \
    }                                              \
  },
constexpr std::array<ReadMeasure, kBrandValueCount> kReadBrandMeasure{
    FIVERATE_BRAND_MEASURES(FIVERATE_READ, FIVERATE_READ, FIVERATE_READ, FIVERATE_READ)};
#undef FIVERATE_READ

#define FIVERATE_READ(name) [](const MetricsRow::Measures& measures) { return std::int64_t{measures.name()}; },
#define FIVERATE_READ_QUARANTINED(reason) FIVERATE_READ(quarantined_##reason)
constexpr std::array<ReadMeasure, kMarketMeasureNames.size()> kReadMarketMeasure{
    FIVERATE_MARKET_MEASURES(FIVERATE_READ) FIVERATE_DOCUMENT_REASONS(FIVERATE_READ_QUARANTINED)};
#undef FIVERATE_READ_QUARANTINED
#undef FIVERATE_READ

using ReadRate = const MetricsRow::Rate& (*)(const MetricsRow::Rates&);
#define FIVERATE_READ(name, numerator, denominator) \
  [](const MetricsRow::Rates& rates) -> const MetricsRow::Rate& { return rates.name(); },
constexpr std::array<ReadRate, kRateNames.size()> kReadRate{FIVERATE_RATES(FIVERATE_READ)};
#undef FIVERATE_READ

}  // namespace

const RowFields& RowFields::get() {
  static const RowFields fields{fields_of(*MetricsRow::Measures::descriptor(), kBrandMeasureNames),
                                fields_of(*MetricsRow::Measures::descriptor(), kMarketMeasureNames),
                                fields_of(*MetricsRow::Rates::descriptor(), kRateNames)};
  return fields;
}

std::int64_t value_of(const MetricsRow::Measures& measures, BrandMeasure measure) {
  return kReadBrandMeasure.at(static_cast<std::size_t>(measure))(measures);
}

std::int64_t market_value_of(const MetricsRow::Measures& measures, std::size_t measure) {
  return kReadMarketMeasure.at(measure)(measures);
}

MeasureGroups groups_of(const MetricsRow& row) {
  if (row.measure_groups().empty()) return MeasureGroups::all();
  auto groups = MeasureGroups::none();
  for (const auto group : row.measure_groups()) {
    if (MetricsRow::MeasureGroup_IsValid(group)) groups.insert(static_cast<MeasureGroup>(group));
  }
  return groups;
}

bool has_value(MeasureGroups of_row, const MetricsRow::Measures& measures, BrandMeasure measure) {
  if (!of_row.has(measure)) return false;
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
  Rates rates{};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const auto& rate = kReadRate[i](window.rates());
    rates[i] = {static_cast<RateName>(i), rate.numerator(), rate.denominator(), rate.status()};
  }
  return rates;
}

}  // namespace fiverate
