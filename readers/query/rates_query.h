// The rows of `metrics` and `metrics-final`, as people ask for them: which brand, region, class, window, day.
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

// What somebody wants to see. Nothing: all. An empty brand or region is the whole market, an empty dimension all classes.
struct RateFilter {
  std::optional<std::string> brand_id;
  std::optional<std::string> region_id;
  std::optional<std::string> class_dimension;
  std::optional<std::int32_t> window_days;

  [[nodiscard]] bool wants(const MetricsRow& row) const;
  // Takes out of the row what is not wanted; false if nothing is left.
  bool reduce(MetricsRow& row) const;
};

// The latest row of each (brand, region, dimension). Lower revisions after higher ones are ignored.
class LatestRows {
 public:
  // True if the row is news.
  bool apply(const MetricsRow& row);
  [[nodiscard]] std::vector<const MetricsRow*> sorted() const;

 private:
  std::map<std::tuple<std::string, std::string, std::string>, MetricsRow> rows_;
};

std::optional<MetricsRow> parse_row(const InRecord& record);

// Reads a source of `metrics` to its end.
Result<LatestRows> read_latest(Source& metrics);

// Reads a source of `metrics-final`, from a place in time not after the days wanted, and hands over the rows of [first, last]
// in canonical order (day, brand, region, dimension), each once, a day as soon as all partitions are past it.
Result<void> read_final(Source& metrics_final, std::int32_t partitions, Day first, Day last,
                        const std::function<void(const MetricsRow&)>& visit);

}  // namespace fiverate
