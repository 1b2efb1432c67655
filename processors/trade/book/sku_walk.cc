#include "processors/trade/book/sku_walk.h"

#include "processors/trade/book/sku_facts.h"

namespace fiverate {

SkuWalk::SkuWalk(const Opening& opening) : book(opening.book), stockouts(opening), timeline(opening.book) {}

bool SkuWalk::apply(const Fact& fact, const StockoutContext& context, SkuTimeline* past, std::vector<Stockout>* ended) {
  timeline.before(fact, book, context.facts, past);
  stockouts.before(fact, book, context, ended);
  const bool accepted = book.apply(fact);
  timeline.after(fact, accepted);
  stockouts.after(fact, accepted, book);
  return accepted;
}

}  // namespace fiverate
