// The differences that outlet sends to market: by how much a contribution of a brand at a place changes on a day.
#pragma once

#include <cstdint>
#include <vector>

#include "processors/trade/measures/measure.h"
#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/places.h"
#include "schemas/time.h"

namespace fiverate {

// Of a flow on that day alone, of a step on that day and every later one.
struct DatedDelta {
  BrandNumber brand;
  PlaceNumber place;
  Contribution contribution;
  Day day;
  std::int64_t value;
};

// How often a retail price was read.
struct PriceDelta {
  SkuNumber sku;
  PlaceNumber place;
  std::int64_t price;  // fen, 1 or more
  Day day;
  std::int64_t count;
};

struct Differences {
  std::vector<DatedDelta> deltas;
  std::vector<PriceDelta> prices;
};

}  // namespace fiverate
