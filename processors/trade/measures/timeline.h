// The pure centre: what an outlet contributes to the market's measures, as functions of the day.
//
//   flow   +q on a day (units, lines, readings), at the place where the outlet counts on that day
//   step   a number that holds from a day on, until a day. Both are sent at once: the expiry of a window is known when the
//          event arrives. Distinct outlets, sales between counts, stock: of active outlets, at the place of each day, from
//          the facts of the whole window. Days in and out of stock: while the outlet is in the population.
//
// Whether an outlet is active depends on all its documents; were it dated ahead like the windows, each order would touch
// every brand of the outlet. So the last stretch of activity is left open until the outlet's clock passes its end
// (kActiveDays after the last document); then the calendar of the stage ends it. `clock_day` says what has been assumed.
//
// Facts change, and the difference is sent: contributions(after) - contributions(before). Late and out-of-order facts,
// corrections, cancellations, an outlet that changes region or class, the passing of time: all the same operation.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "processors/trade/book/sku_timeline.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/delta.h"

namespace fiverate {

// Where and when the outlet is there at all, and active.
struct Presence {
  struct Stretch {
    Interval days;
    PlaceNumber place;
    bool in_population;
    Intervals active;  // of its days, those in the population within kActiveDays of a document
    friend bool operator==(const Stretch&, const Stretch&) = default;
  };
  std::vector<Stretch> stretches;  // ascending, without gaps; empty: counts nowhere
  // Where the outlet counts on a day.
  [[nodiscard]] PlaceNumber place_on(Day day) const;
  friend bool operator==(const Presence&, const Presence&) = default;
};
Presence presence_of(const OutletFacts& facts);

// The first day on which presence changes by the mere passing of time: the end of the open stretch of activity.
// Nothing: no such day.
std::optional<Day> activity_ends(const OutletFacts& facts);

// What all SKUs of a brand make together at an outlet.
struct BrandTimeline {
  std::vector<Day> bought, requested;
  Intervals on_shelf;
  std::array<Intervals, kWindowCount> holding, moving;
};

// Differences of one change: make it before the facts change, ask for the differences after.
//
//   const FactsChange change(facts, context, touched);
//   const auto& document = remember(facts, ...);
//   send(change.differences(&document));
class FactsChange {
 public:
  // `touched`: what a document will change; nothing: only versions or the clock change. All must outlive this.
  FactsChange(const OutletFacts& facts, const MarketContext& context, const Touched& touched = {});

  // `document`: what the one touched has become.
  [[nodiscard]] Differences differences(const Document* document = nullptr) const;

 private:
  using SkuTimelines = std::map<BrandNumber, std::map<SkuNumber, SkuTimeline>>;

  void flows_of_moved(const Presence& after, const Document* document, Differences& differences) const;

  const OutletFacts& facts_;
  const MarketContext& context_;
  SkuSet touched_;
  Presence before_;
  std::optional<std::vector<Day>> ordered_before_;  // nothing: no order is touched
  Differences document_before_;  // taken back
  SkuTimelines skus_before_;     // of touched brands, all their SKUs
};

}  // namespace fiverate
