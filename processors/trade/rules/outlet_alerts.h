// The alerts of one outlet: which episodes of rules R1, R2 and R5 have been said, and what has to be said now.
//
//   R1  an interval of fact. When facts change, the intervals that the facts show (stockout.h) are matched with those that
//       were sent: what has moved keeps its episode, what is gone is RETRACTED, what is new fires.
//   R2  judged at the clock, after each record that touches the SKU and at each 00:00; never restated.
//   R5  judged at each 00:00 for the day that ended (overstock.h); never restated.
//
// Whether a moment has come without any event is known ahead: `due` of each SKU.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerts.pb.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/rules/overstock.h"

namespace fiverate {

struct SkuAlerts {
  struct Sent {
    std::int32_t episode;
    Millis start;
    Millis end;  // kOpenEnd: not resolved
    Transition::Severity severity;
    EventRef begun_by;
  };
  Millis due = kNever;  // look again then; kNever: no such moment

  std::int64_t confirmed_transitions = 0;
  std::int32_t confirmed_episodes = 0;
  std::vector<Sent> sent;  // R1, by present start

  std::int64_t predicted_transitions = 0;
  std::int32_t predicted_episodes = 0;
  bool predicted = false;  // R2 is firing
  Millis predicted_since = 0;
  Transition::Severity predicted_severity = Transition::SEVERITY_UNSPECIFIED;
  std::optional<EventRef> predicted_by;  // the record after which it fired; nothing: a midnight

  OverstockAlert overstock;  // R5

  // Nothing has been said or judged yet: not worth keeping.
  [[nodiscard]] bool is_new() const {
    return due == kNever && confirmed_transitions == 0 && predicted_transitions == 0 && overstock.state.untouched() &&
           overstock.asked == kNoDay;
  }
};
using OutletAlerts = SkuMap<SkuAlerts>;  // of SKUs that were counted

// One moment at which the rules are asked.
struct Asking {
  std::string_view outlet_id;
  Millis clock;                      // the outlet's own
  bool prediction = false;           // R2 is asked as well
  const EventRef* record = nullptr;  // the record just applied
};

// Judges SKUs and appends what has to be said: one after the other, each in the order of the rules. Sets their `due`.
void judge_skus(const OutletFacts& facts, const SkuSet& skus, const Asking& asking, const MarketContext& context,
                OutletAlerts& alerts, std::vector<Transition>& transitions);

// Judges the days that have ended by the facts as they are: before a record of the outlet changes those of `skus`.
void judge_ended_days(const OutletFacts& facts, const SkuSet& skus, const Asking& asking, const MarketContext& context,
                      OutletAlerts& alerts, std::vector<Transition>& transitions);

// The earliest moment at which one of them is due; kNever: none.
Millis due_of(const OutletAlerts& alerts);

// Sends all that is due up to `clock`, in order of time.
void pass_due(const OutletFacts& facts, std::string_view outlet_id, Millis clock, const MarketContext& context,
              OutletAlerts& alerts, std::vector<Transition>& transitions);

void save(const OutletAlerts& alerts, OutletState& state);
OutletAlerts load_alerts(const OutletState& state);

}  // namespace fiverate
