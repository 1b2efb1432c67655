#include "processors/stages/outlet_documents.h"

#include <algorithm>
#include <utility>

#include "processors/trade/rows/prices.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

AcceptanceLimits limits_of(const Definition& definition) {
  return {definition.order_lateness_ms(), definition.delivery_lateness_ms(), definition.visit_lateness_ms(),
          definition.future_skew_ms(), definition.outlet_day_documents_max()};
}

}  // namespace

OutletDocuments::OutletDocuments(OutletContext& context, OutletAlertRules& rules, OutletOutput& output)
    : context_(context), rules_(rules), output_(output), limits_(limits_of(context.settings.definition)) {}

void OutletDocuments::apply(const LedgerEvent& document, OutletRecord& outlet, std::int32_t pending) {
  const auto& event = document.event;
  ArrivedDocument arrived(event, document.arrival, context_.market.catalogue);
  auto verdict = validate(outlet.facts, arrived, context_.first_open_day(), limits_, context_.market, pending);
  if (verdict.outcome != Outcome::rejected) output_.count_outcome(document.source, document.arrival, false);
  switch (verdict.outcome) {
    case Outcome::accepted:
      accept(document, std::move(arrived), outlet);
      break;
    case Outcome::superseded:
      remember(outlet.facts, std::move(arrived), event_ref(event, document.source), context_.market);
      output_.count(Contribution::superseded, document.arrival, 1);
      break;
    case Outcome::duplicate:
      output_.count(Contribution::duplicates, document.arrival, 1);
      break;
    case Outcome::rejected:
      output_.quarantine(document, {verdict.reason, std::move(verdict.detail), event.event_id()});
      break;
  }
}

std::optional<Rejected> OutletDocuments::too_many_to_wait(const LedgerEvent& document,
                                                          const OutletRecord& outlet) const {
  const auto& event = document.event;
  auto detail = fiverate::too_many_to_wait(outlet.facts, event, document.arrival, limits_, context_.market,
                                           pending_of_day(event, outlet, context_.market));
  if (!detail) return std::nullopt;
  return Rejected{Reason::bad_value, std::move(*detail), event.event_id()};
}

void OutletDocuments::accept(const LedgerEvent& document, ArrivedDocument arrived, OutletRecord& outlet) {
  const auto& outlet_id = outlet_id_of(document.event);
  const auto ref = event_ref(document.event, document.source);
  const auto affected = affected_by(outlet.facts, arrived, context_.market);
  rules_.evaluate_ended_days(outlet_id, affected.skus, outlet);
  const auto change = begin_change(outlet, affected);
  const auto& remembered = remember(outlet.facts, std::move(arrived), ref, context_.market);
  end_change(change, &remembered);
  quarantine_lines(document, remembered, outlet);
  rules_.evaluate(outlet_id, affected.skus, ref, affected.changed_from, outlet);
  const auto day = context_.market.calendar.day_of(event_time_of(document.event));
  last_day_ = std::max(last_day_, day);
  output_.count_accepted(day, document.arrival);
}

// The counts that the books of an accepted document reject, and its implausible prices.
void OutletDocuments::quarantine_lines(const LedgerEvent& event, const Document& document, const OutletRecord& outlet) {
  if (!output_.is_enabled()) return;
  const auto& catalogue = context_.market.catalogue;
  const auto day = context_.market.calendar.day_of(document.counted().event_time);
  for (const auto& line : document.lines) {
    const auto& sku_id = catalogue.sku_id(line.sku);
    const auto reject = [&](Reason reason, std::string detail) {
      output_.quarantine_line(event, {reason, std::move(detail), event.event.event_id()}, sku_id);
    };
    if (line.count != kAbsent &&
        !is_count_accepted({outlet.facts.skus.at(line.sku), outlet.facts.population, context_.market.calendar},
                           document)) {
      reject(Reason::count_implausible,
             fmt::format("count {} of SKU {} rejected: it exceeds the last count plus the deliveries since then",
                         line.count, sku_id));
    }
    if (line.price == kAbsent) continue;
    const auto guide = catalogue.guide_price(line.sku, day);
    if (price_plausible(line.price, guide)) continue;
    reject(Reason::price_out_of_range,
           guide ? fmt::format("retail price {} fen of SKU {} rejected: its guide price is {} fen", line.price, sku_id,
                               *guide)
                 : fmt::format("retail price {} fen of SKU {} rejected", line.price, sku_id));
  }
}

void OutletDocuments::apply_version(const LedgerEvent& version, OutletRecord& outlet) {
  const auto& outlet_id = outlet_id_of(version.event);
  SkuSet skus;
  for (const auto& [sku, known] : outlet.facts.skus) skus.insert(skus.end(), sku);
  rules_.evaluate_ended_days(outlet_id, skus, outlet);
  const auto change = begin_change(outlet);
  fiverate::apply_version(outlet.facts, version.event, context_.first_open_day(), context_.market);
  end_change(change);
  rules_.evaluate(outlet_id, skus, event_ref(version.event, version.source), kNever, outlet);
}

void OutletDocuments::advance(OutletRecord& outlet) {
  const auto clock = context_.clock_of(outlet);
  if (clock == kNever) return;
  const auto today = context_.market.calendar.day_of(clock);
  if (today <= outlet.facts.clock_day) return;
  // Until the activity ends, the passing of time changes nothing.
  if (const auto end = activity_ends(outlet.facts); !end || today < *end) return pass_time(outlet.facts, today);
  const auto change = begin_change(outlet);
  pass_time(outlet.facts, today);
  end_change(change);
}

void OutletDocuments::forget_old(OutletRecord& outlet) {
  if (context_.watermark == kNever) return;
  const auto clock = std::min(context_.watermark, context_.settings.alerts_until - 1);
  forget_before(outlet.facts, context_.market.calendar.day_of(clock) - kMemoryDays, context_.market);
}

std::optional<FactsChange> OutletDocuments::begin_change(const OutletRecord& outlet, const Affected& affected) const {
  if (!output_.is_enabled()) return std::nullopt;
  return std::optional<FactsChange>(std::in_place, outlet.facts, context_.market, affected);
}

void OutletDocuments::end_change(const std::optional<FactsChange>& change, const Document* document) {
  if (!change) return;
  differences_.deltas.clear();
  differences_.prices.clear();
  change->append_differences(document, differences_);
  output_.add(differences_);
}

}  // namespace fiverate
