// Reads rows of `metrics` and `metrics-final`, filtered by brand, region, class dimension, window and day.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "metrics.pb.h"
#include "processors/stream/ports.h"
#include "readers/query/result_records.h"

namespace fiverate {

// A field without a value matches everything. An empty brand or region is the whole market, an empty dimension all classes.
struct RateFilter {
  std::optional<std::string> brand_id;
  std::optional<std::string> region_id;
  std::optional<std::string> class_dimension;
  std::optional<std::int32_t> window_days;

  [[nodiscard]] bool matches(const MetricsRow& row) const;
  // Removes the windows that do not match; false if nothing is left.
  bool reduce(MetricsRow& row) const;
};

// The latest row of each (brand, region, dimension). A row is ignored if its revision is not higher than that of the known one.
class LatestRows {
 public:
  // True if the row of this record is newer than the known one. Another row of the same revision is ignored and shown.
  bool apply(const MetricsRow& row, const InRecord& record, ResultRecords& results);
  [[nodiscard]] std::vector<const MetricsRow*> sorted() const;

 private:
  std::map<std::tuple<std::string, std::string, std::string>, MetricsRow> rows_;
};

// The row of a record, or nothing if its bytes are none.
std::optional<MetricsRow> parse_row(const InRecord& record);
// The same; a record without a row of this status is ignored and shown.
std::optional<MetricsRow> row_of(const InRecord& record, MetricsRow::Status status, ResultRecords& results);

// Reads a source of `metrics` to its end.
Result<LatestRows> read_latest(Source& metrics, ResultRecords& results);

// Reads a source of `metrics-final` that begins at or before the rows of `first`, and visits the rows of [first, last] in canonical
// order (day, brand, region, dimension), each once: the first of a key counts. A day is visited as soon as all partitions
// have passed it.
Result<void> read_final(Source& metrics_final, std::int32_t partitions, Day first, Day last, ResultRecords& results,
                        const std::function<void(const MetricsRow&)>& visit);

}  // namespace fiverate
