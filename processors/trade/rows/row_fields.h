// The fields of MetricsRow (metrics.proto) by the names of the tables of measures and rates. They are looked up in the descriptor
// once; a name without its field stops the process at its start, and row_fields_test fails.
#pragma once

#include <array>
#include <cstdint>

#include "metrics.pb.h"
#include "processors/trade/measures/selection.h"
#include "processors/trade/rows/rates.h"
#include "schemas/time.h"

namespace fiverate {

struct RowFields {
  using Field = const google::protobuf::FieldDescriptor*;

  std::array<Field, kBrandMeasureNames.size()> brand_measures;    // of MetricsRow.Measures, by BrandMeasure
  std::array<Field, kMarketMeasureNames.size()> market_measures;  // of MetricsRow.Measures
  std::array<Field, kRateNames.size()> rates;                     // of MetricsRow.Rates, by RateName

  static const RowFields& get();
};

std::int64_t value_of(const MetricsRow::Measures& measures, BrandMeasure measure);
// A measure of brand "", by its index in kMarketMeasureNames.
std::int64_t market_value_of(const MetricsRow::Measures& measures, std::size_t measure);

// The groups of measures that the market of the row selects. A row has no measures and rates of other groups.
MeasureGroups groups_of(const MetricsRow& row);

// Whether a window of a brand has the measure: its group is one of the row, and quartiles of prices exist only where there are readings.
bool has_value(MeasureGroups of_row, const MetricsRow::Measures& measures, BrandMeasure measure);

// The day of the row, or kNoDay if it is not a date.
Day day_of(const MetricsRow& row);

// The rates that a row of a brand carries. A rate that is absent, since its group is not one of the row, has no denominator.
Rates rates_of(const MetricsRow::Window& window);

}  // namespace fiverate
