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

#include <array>
#include <map>
#include <optional>
#include <vector>

#include "processors/trade/book/sku_timeline.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/delta.h"

namespace fiverate {

// The segments of an outlet by day, and the days on which it is active.
struct OutletActivity {
  struct Stretch {
    Interval days;
    SegmentNumber segment;
    bool in_population;
    Intervals active;  // the days of the stretch in the population and within kActiveDays of a document
    friend bool operator==(const Stretch&, const Stretch&) = default;
  };
  // Ascending; each begins where the one before ends. If empty, the outlet counts nowhere.
  std::vector<Stretch> stretches;
  [[nodiscard]] SegmentNumber segment_on(Day day) const;
  friend bool operator==(const OutletActivity&, const OutletActivity&) = default;
};
OutletActivity outlet_activity_of(const OutletFacts& facts);

// The first day on which the activity changes without any event: the end of the open interval of activity. nullopt if
// there is none.
std::optional<Day> activity_ends(const OutletFacts& facts);

// The combined timeline of all SKUs of a brand at an outlet.
struct BrandTimeline {
  std::vector<Day> bought, requested;
  Intervals on_shelf;
  // By window: the days as of which units of some SKU were available (holding) or sold (moving) between two counts.
  std::array<Intervals, kWindowCount> holding, moving;
};

// The differences of one change. Construct it before the facts change and call differences() after:
//
//   const FactsChange change(facts, context, affected);
//   const auto& document = remember(facts, ...);
//   send(change.differences(&document));
class FactsChange {
 public:
  // `affected`: what a document will change; empty if only versions or the clock change. All arguments must outlive
  // this object.
  FactsChange(const OutletFacts& facts, const MarketContext& context, const Affected& affected = {});

  // `document`: the affected document after the change; null if only versions or the clock changed.
  [[nodiscard]] Differences differences(const Document* document = nullptr) const;

 private:
  using SkuTimelines = std::map<BrandNumber, std::map<SkuNumber, SkuTimeline>>;

  void flows_of_moved(const OutletActivity& after, const Document* document, Differences& differences) const;

  const OutletFacts& facts_;
  const MarketContext& context_;
  SkuSet affected_;
  OutletActivity before_;
  std::optional<std::vector<Day>> ordered_before_;  // nullopt: no order is affected
  Differences document_before_;                     // the negated flows of the affected document
  SkuTimelines skus_before_;                        // all SKUs of the affected brands
};

}  // namespace fiverate
