// What an outlet contributes to the measures of the market, as functions of the day.
//
//   flow   a quantity of one day (units, lines, readings). It counts in the segment of the outlet on that day, that is in
//          its region and class values (reference/segments.h).
//   step   a number on an interval of days. Its begin and its end are sent together: when an event arrives, the day on
//          which its window expires is known. It counts on each day in the segment of that day.
//
// Steps of distinct outlets, of sales between counts and of stock count while the outlet is active: in the population,
// with a document in the last kActiveDays (56). They take all facts of the window, also those from before the outlet
// moved to its present segment. Days in and out of stock count while the outlet is in the population, that is on the
// days on which its version is ACTIVE.
//
// Whether an outlet is active depends on all of its documents. If the end of activity were sent in advance like the end
// of a window, each order would change all brands of the outlet. Therefore the last interval of activity has no end
// until the outlet's clock passes it (kActiveDays after the last document); the timer of the outlet stage sends it
// then. `clock_day` is the day that the contributions sent so far assume.
//
// When facts change, the difference is sent: contributions(after) - contributions(before). Late and out-of-order facts,
// corrections, cancellations, a change of region or class and the passing of time are all the same operation. What only
// groups of measures and windows need that the market does not select is not computed (MarketContext::selection).
#pragma once

#include <optional>
#include <vector>

#include "processors/trade/book/sku_timeline.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/delta.h"

namespace fiverate {

// The differences of one change. Construct it before the facts change and call append_differences() after:
//
//   const FactsChange change(facts, context, affected);
//   const auto& document = remember(facts, ...);
//   change.append_differences(&document, differences);
//
// A new document in order changes no day before its own and not the activity, so only the days from its own on are
// compared, which the kept walks know (sku_facts.h). All other changes compare whole timelines.
class FactsChange {
 public:
  // `affected`: what a document will change; empty if only versions or the clock change. `facts` and `context` must
  // outlive this object.
  FactsChange(const OutletFacts& facts, const MarketContext& context, Affected affected = {});

  // `document`: the affected document after the change; null if only versions or the clock changed.
  void append_differences(const Document* document, Differences& differences) const;

 private:
  struct SkuBefore {
    SkuNumber sku;
    BrandNumber brand;
    SkuTimeline timeline;
  };

  [[nodiscard]] Day first_day() const;
  [[nodiscard]] TimelineParts changed_parts() const;
  [[nodiscard]] SkuTimeline timeline(const SkuFacts& sku) const;
  [[nodiscard]] const SkuTimeline* before(SkuNumber sku) const;
  void flows_of_moved(const Document* document, Differences& differences) const;

  const OutletFacts& facts_;
  const MarketContext& context_;
  Affected affected_;
  std::vector<BrandNumber> brands_;                 // of the affected SKUs, ascending
  Day since_ = kNoDay;                              // No earlier day changes.
  std::optional<OutletActivity> activity_before_;   // nullopt: it does not change
  std::optional<std::vector<Day>> ordered_before_;  // nullopt: no order is affected
  Differences document_before_;                     // the negated flows of the affected document
  std::vector<SkuBefore> skus_before_;              // all SKUs of the affected brands, ascending
};

}  // namespace fiverate
