// Applies documents, outlet versions and the passing of days to the facts of outlets. Each change sends the differences
// of what the outlet contributes to measures (trade/measures/timeline.h) and evaluates the alert rules of the SKUs
// concerned.
#pragma once

#include <cstdint>
#include <optional>

#include "processors/stages/outlet_alert_rules.h"
#include "processors/stages/outlet_context.h"
#include "processors/stages/outlet_output.h"
#include "processors/trade/facts/acceptance.h"
#include "processors/trade/measures/timeline.h"

namespace fiverate {

class OutletDocuments {
 public:
  OutletDocuments(OutletContext& context, OutletAlertRules& rules, OutletOutput& output);

  // Validates a document whose outlet and SKUs are known: it changes the facts, is dropped as a duplicate, or is
  // quarantined. `pending` records of its day take places that a new document cannot have.
  void apply(const LedgerEvent& document, OutletRecord& outlet, std::int32_t pending);
  // The rejection of a document that would have to wait beyond the limit of its day; nullopt: it may wait.
  [[nodiscard]] std::optional<Rejected> too_many_to_wait(const LedgerEvent& document, const OutletRecord& outlet) const;
  void apply_version(const LedgerEvent& version, OutletRecord& outlet);
  // Advances the facts to the day of the outlet's clock: an outlet becomes dormant without any event.
  void advance(OutletRecord& outlet);
  // Drops documents that no accepted event can change any more.
  void forget_old(OutletRecord& outlet);

  // The latest day of any document accepted since this task was opened; kNoDay: none. A file replay ends there.
  [[nodiscard]] Day last_day() const { return last_day_; }

 private:
  void accept(const LedgerEvent& document, ArrivedDocument arrived, OutletRecord& outlet);
  void quarantine_lines(const LedgerEvent& event, const Document& document, const OutletRecord& outlet);
  // Remembers what the outlet contributes before a change; nullopt while outputs are disabled.
  [[nodiscard]] std::optional<FactsChange> begin_change(const OutletRecord& outlet,
                                                        const Affected& affected = {}) const;
  void end_change(const std::optional<FactsChange>& change, const Document* document = nullptr);

  OutletContext& context_;
  OutletAlertRules& rules_;
  OutletOutput& output_;
  AcceptanceLimits limits_;
  Differences differences_;  // of the change at hand; kept for its memory
  Day last_day_ = kNoDay;
};

}  // namespace fiverate
