// The walk over the facts of one SKU, in their order. What is derived from the facts (book, stockouts, timeline) is what
// a walk has found after the last fact.
#pragma once

#include <vector>

#include "processors/trade/book/book.h"
#include "processors/trade/book/sku_timeline.h"
#include "processors/trade/book/stockout.h"

namespace fiverate {

struct SkuWalk {
  Book book;
  StockoutWalk stockouts;
  TimelineWalk timeline;

  explicit SkuWalk(const Opening& opening);
  // Applies the next fact in order. Appends the days before it to `past` and a stockout that ends to `ended`, if these
  // are not null. Returns false for a count that is not accepted.
  bool apply(const Fact& fact, const StockoutContext& context, SkuTimeline* past = nullptr,
             std::vector<Stockout>* ended = nullptr);
};

}  // namespace fiverate
