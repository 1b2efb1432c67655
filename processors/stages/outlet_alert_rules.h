// Evaluates the alert rules of outlets (trade/rules/outlet_alerts.h) at their clocks and sends the transitions. In a
// file replay the clock of the rules stops just before the end of the last day.
#pragma once

#include <string>

#include "processors/stages/outlet_context.h"
#include "processors/stages/outlet_output.h"

namespace fiverate {

class OutletAlertRules {
 public:
  OutletAlertRules(const OutletContext& context, OutletOutput& output) : context_(context), output_(output) {}

  // Evaluates all that is due up to the outlet's clock, in the order of time.
  void advance(const std::string& outlet_id, OutletRecord& outlet);
  // Evaluates the days that have ended, before a record changes the facts of these SKUs.
  void evaluate_ended_days(const std::string& outlet_id, const SkuSet& skus, OutletRecord& outlet);
  // Evaluates these SKUs after `record` has changed their facts of event times from `changed_from` on (kNever: of any, or
  // a version).
  void evaluate(const std::string& outlet_id, const SkuSet& skus, const EventRef& record, Millis changed_from,
                OutletRecord& outlet);
  // When a rule has to be evaluated next though no record arrives; kNever: at no time.
  [[nodiscard]] Millis next_due(const OutletRecord& outlet) const;

 private:
  [[nodiscard]] Millis clock_of(const OutletRecord& outlet) const;

  const OutletContext& context_;
  OutletOutput& output_;
};

}  // namespace fiverate
