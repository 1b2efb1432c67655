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
  // True if the row is newer than the known one.
  bool apply(const MetricsRow& row);
  [[nodiscard]] std::vector<const MetricsRow*> sorted() const;

 private:
  std::map<std::tuple<std::string, std::string, std::string>, MetricsRow> rows_;
};

// The row of a record, or nothing if its bytes are none.
std::optional<MetricsRow> parse_row(const InRecord& record);

// Reads a source of `metrics` to its end.
Result<LatestRows> read_latest(Source& metrics);

// Reads a source of `metrics-final` that begins at or before the rows of `first`, and visits the rows of [first, last] in canonical
// order (day, brand, region, dimension), each once. A day is visited as soon as all partitions have passed it.
Result<void> read_final(Source& metrics_final, std::int32_t partitions, Day first, Day last,
                        const std::function<void(const MetricsRow&)>& visit);

}  // namespace fiverate
