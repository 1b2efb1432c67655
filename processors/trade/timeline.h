// The pure centre: what an outlet contributes to the market's measures, as functions of the day.
//
//   flow   +q on a day (units delivered, returned), at the place where the outlet counts on that day
//   step   a distinct outlet: a member from a day on, +1, until a day, -1. Both are sent at once: the expiry of a window is
//          known when the event arrives. Bought on day s: a member of window W on [s, s+W); of "repeat" where also a member W
//          days earlier; both only on days on which the outlet is active, at its place of that day.
//
// Whether an outlet is active depends on all its documents; were it dated ahead like the windows, each order would touch
// every brand of the outlet. So the last stretch of activity is left open until the outlet's clock passes its end
// (kActiveDays after the last document); then the calendar of the stage ends it. `clock_day` says what has been assumed.
//
// Facts change, and the difference is sent: contributions(after) - contributions(before). Late and out-of-order facts,
// corrections, cancellations, an outlet that changes region or class, the passing of time: all the same operation.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "processors/trade/outlet_facts.h"

namespace fiverate {

struct DatedDelta {
  BrandNumber brand;
  PlaceNumber place;
  Contribution contribution;
  Day day;
  std::int64_t value;
};

// Where and when the outlet is there at all, and active.
struct Presence {
  struct Stretch {
    Interval days;
    PlaceNumber place;
    bool in_population;
    friend bool operator==(const Stretch&, const Stretch&) = default;
  };
  std::vector<Stretch> stretches;  // ascending, without gaps; empty: counts nowhere
  Intervals active;                // days within kActiveDays of a document, the last one open as said above
  friend bool operator==(const Presence&, const Presence&) = default;
};
Presence presence_of(const OutletFacts& facts);

// The first day on which presence changes by the mere passing of time: the end of the open stretch of activity.
std::optional<Day> activity_ends(const OutletFacts& facts);

// Appends sign x the contributions of the outlet as a whole, or of one brand.
void contribute_outlet(const Presence& presence, int sign, std::vector<DatedDelta>& deltas);
void contribute_brand(const Presence& presence, BrandNumber brand, const std::vector<BrandDay>& days, int sign,
                      std::vector<DatedDelta>& deltas);

// One change of an outlet's facts. Make it before the change, naming the brands whose facts will change; take the
// difference after it: sorted, merged, without zeros. Changes of presence (and of the clock) reach all brands by themselves.
//
//   FactsChange change(facts, brands_of(document));
//   count_document(facts, document, context);
//   send(change.difference());
class FactsChange {
 public:
  FactsChange(const OutletFacts& facts, std::set<BrandNumber> touched);
  std::vector<DatedDelta> difference() const;

 private:
  const OutletFacts& facts_;
  std::set<BrandNumber> touched_;
  Presence before_;
  std::vector<DatedDelta> negated_;  // of the touched brands, before
};

}  // namespace fiverate
