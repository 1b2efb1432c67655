// The alerts of one outlet: the published episodes of rules R1, R2 and R5, and the transitions to publish.
//
//   R1  When facts change, the stockouts that they show (stockout.h) are matched with the published ones: one that has
//       moved keeps its episode, one that is gone is RETRACTED, a new one fires.
//   R2  Evaluated at the outlet's clock, after each record that affects the SKU and at each 00:00. Later facts do not
//       change it.
//   R5  Evaluated at each 00:00 for the day that ended (overstock.h). Later facts do not change it.
//
// `due` of a SKU is the next time at which its rules must be evaluated although no record comes.
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
  struct PublishedStockout {
    std::int32_t episode;
    Millis start;
    Millis end;  // kOpenEnd: not resolved
    Transition::Severity severity;
    EventRef begun_by;
  };
  Millis due = kNever;

  // R1
  std::int64_t confirmed_transitions = 0;
  std::int32_t confirmed_episodes = 0;
  std::vector<PublishedStockout> published;  // by start; they do not overlap

  // R2
  std::int64_t predicted_transitions = 0;
  std::int32_t predicted_episodes = 0;
  bool predicted = false;  // firing
  Millis predicted_since = 0;
  Transition::Severity predicted_severity = Transition::SEVERITY_UNSPECIFIED;
  std::optional<EventRef> predicted_by;  // the record after which it fired; nullopt: a midnight

  // R5
  OverstockAlert overstock;

  // True if nothing has been published or evaluated yet, so that it need not be kept.
  [[nodiscard]] bool is_initial() const {
    return due == kNever && confirmed_transitions == 0 && predicted_transitions == 0 && overstock.state.is_initial() &&
           overstock.evaluated_through == kNoDay;
  }
};
using OutletAlerts = SkuMap<SkuAlerts>;  // of SKUs that were counted

// The time of an evaluation, and its cause.
struct EvaluationMoment {
  std::string_view outlet_id;
  Millis clock;                      // the outlet's own
  bool prediction = false;           // R2 is evaluated as well.
  const EventRef* record = nullptr;  // the record that was just applied; null for a timer
  // Facts of earlier event times, and versions, are the same as at the last evaluation. kNever: any may have changed;
  // kOpenEnd: none has.
  Millis changed_from = kNever;
};

// Evaluates the rules of `skus` and appends the transitions to publish: one SKU after the other, each in the order of
// its rules. Sets their `due`.
void evaluate_skus(const OutletFacts& facts, const SkuSet& skus, const EvaluationMoment& moment,
                   const MarketContext& context, OutletAlerts& alerts, std::vector<Transition>& transitions);

// Evaluates R5 for the days that have ended. Call it before a record of the outlet changes the facts of `skus`.
void evaluate_ended_days(const OutletFacts& facts, const SkuSet& skus, const EvaluationMoment& moment,
                         const MarketContext& context, OutletAlerts& alerts, std::vector<Transition>& transitions);

// The earliest `due` of all SKUs; kNever if there is none.
Millis next_due(const OutletAlerts& alerts);

// Evaluates all SKUs that are due up to `clock`, in the order of time.
void evaluate_due(const OutletFacts& facts, std::string_view outlet_id, Millis clock, const MarketContext& context,
                  OutletAlerts& alerts, std::vector<Transition>& transitions);

}  // namespace fiverate
