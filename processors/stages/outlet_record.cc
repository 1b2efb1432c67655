#include "processors/stages/outlet_record.h"

#include <utility>

#include "processors/stream/key_parts.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/check.h"
#include "schemas/decode.h"

namespace fiverate {

std::vector<std::string> document_identities(const Event& document) {
  const auto kind = std::to_string(static_cast<int>(kind_of(document)));
  return {joined_parts({kind, "document", document_id_of(document)}),
          joined_parts({kind, "event", document.event_id()})};
}

std::optional<MissingReference> missing_of(const Event& document, const OutletRecord& outlet, const Catalogue& skus) {
  if (!outlet.facts.known) return MissingReference{Reason::unknown_outlet, outlet_id_of(document)};
  for (const auto sku_id : sku_ids_of(document)) {
    if (!skus.find(sku_id)) return MissingReference{Reason::unknown_sku, std::string(sku_id)};
  }
  return std::nullopt;
}

void add_pending(PendingRecord document, OutletRecord& outlet, const MarketContext& context) {
  ++outlet.pending_by_day[context.calendar.day_of(event_time_of(document.event()))];
  auto missing = missing_of(document.event(), outlet, context.catalogue);
  outlet.pending.add(std::move(document), std::move(missing));
}

void uncount_pending(const PendingRecord& document, OutletRecord& outlet, const MarketContext& context) {
  const auto of_day = outlet.pending_by_day.find(context.calendar.day_of(event_time_of(document.event())));
  CHECK(of_day != outlet.pending_by_day.end(), document.event().event_id());
  if (--of_day->second == 0) outlet.pending_by_day.erase(of_day);
}

std::int32_t pending_of_day(const Event& document, const OutletRecord& outlet, const MarketContext& context) {
  if (outlet.pending_by_day.empty()) return 0;
  const auto found = outlet.pending_by_day.find(context.calendar.day_of(event_time_of(document)));
  return found == outlet.pending_by_day.end() ? 0 : found->second;
}

}  // namespace fiverate
