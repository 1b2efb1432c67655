// Rows of `metrics` and `metrics-final` as bytes.
//
// Market writes hundreds of thousands of windows a second, so the bytes are written directly, without MetricsRow objects. They are the
// bytes that Protobuf itself writes for the message: fields in order of their numbers, zeros left out. row_encoding_test compares.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "metrics.pb.h"
#include "processors/trade/measures/selection.h"
#include "schemas/time.h"

namespace fiverate {

// One record. Rows with equal content differ in status and revision at most.
struct Row {
  std::string brand_id;
  std::string region_id;
  std::string class_dimension;
  Day as_of;
  std::string content;  // the encoded MetricsRow without groups, status and revision
};

// A row without lines.
Row begin_row(std::string_view brand_id, std::string_view region_id, std::string_view class_dimension, Day as_of);

// Appends a window to the windows of one line; windows come in the order of kWindows. `values` by BrandMeasure: those of measures that
// are not selected are 0. Of the rates it appends those that are selected.
void append_brand_window(std::int32_t window_days, Day as_of, const BrandValues& values, MeasureGroups selected,
                         std::string& windows);
// The same of brand "": the first values of kMarketMeasureNames.
void append_market_window(std::int32_t window_days, Day as_of, std::span<const std::int64_t> values,
                          std::string& windows);

// Appends the line of a class value. The total ("") comes first.
void append_line(std::string_view class_value, std::string_view windows, Row& row);

// The complete record of a market that selects these groups of measures.
std::string encode(const Row& row, MeasureGroups selected, MetricsRow::Status status, std::int64_t revision);

}  // namespace fiverate
