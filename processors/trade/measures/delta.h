// Dated differences, which the outlet stage sends to the market stage: how much a contribution of a brand in a segment
// changes. Days are market days; values of stock are in millionths (base/units.h), all others are counts.
#pragma once

#include <cstdint>
#include <vector>

#include "processors/trade/measures/measure.h"
#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/segments.h"
#include "schemas/time.h"

namespace fiverate {

// For a flow the difference applies to `day` alone, for a step to `day` and every later day.
struct DatedDelta {
  BrandNumber brand;
  SegmentNumber segment;
  Contribution contribution;
  Day day;
  std::int64_t value;
};

// The difference in how often visits read a retail price.
struct PriceDelta {
  SkuNumber sku;
  SegmentNumber segment;
  std::int64_t price;  // fen, 1 or more
  Day day;
  std::int64_t count;
};

// In any order; those of one key add up.
struct Differences {
  std::vector<DatedDelta> deltas;
  std::vector<PriceDelta> prices;
};

}  // namespace fiverate
