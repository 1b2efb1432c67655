#include "processors/stages/outlet_alert_rules.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace fiverate {

Millis OutletAlertRules::clock_of(const OutletRecord& outlet) const {
  return std::min(context_.clock_of(outlet), context_.settings.alerts_until - 1);
}

void OutletAlertRules::advance(const std::string& outlet_id, OutletRecord& outlet) {
  std::vector<Transition> transitions;
  fiverate::evaluate_due(outlet.facts, outlet_id, clock_of(outlet), context_.market, outlet.alerts, transitions);
  output_.send(std::move(transitions));
}

void OutletAlertRules::evaluate_ended_days(const std::string& outlet_id, const SkuSet& skus, OutletRecord& outlet) {
  std::vector<Transition> transitions;
  fiverate::evaluate_ended_days(outlet.facts, skus, {outlet_id, clock_of(outlet)}, context_.market, outlet.alerts,
                                transitions);
  output_.send(std::move(transitions));
}

void OutletAlertRules::evaluate(const std::string& outlet_id, const SkuSet& skus, const EventRef& record,
                                Millis changed_from, OutletRecord& outlet) {
  const bool with_predictions = context_.clock_of(outlet) < context_.settings.alerts_until;
  const EvaluationMoment moment{outlet_id, clock_of(outlet), with_predictions, &record, changed_from};
  std::vector<Transition> transitions;
  fiverate::evaluate_skus(outlet.facts, skus, moment, context_.market, outlet.alerts, transitions);
  output_.send(std::move(transitions));
}

Millis OutletAlertRules::next_due(const OutletRecord& outlet) const {
  const auto due = fiverate::next_due(outlet.alerts);
  return due < context_.settings.alerts_until ? due : kNever;
}

}  // namespace fiverate
