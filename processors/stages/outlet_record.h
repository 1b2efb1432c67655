// The state of one outlet in the outlet stage, under o/<outlet> in the store of the task (outlet_codec.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event.pb.h"
#include "processors/stages/pending_records.h"
#include "processors/stream/error.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/rules/outlet_alerts.h"
#include "schemas/time.h"

namespace fiverate {

// Documents of one kind have an identity in common if they have the same document id or the same event_id.
std::vector<std::string> document_identities(const Event& document);

struct OutletRecord {
  OutletFacts facts;
  OutletAlerts alerts;
  PendingRecords pending{document_identities};
  std::map<Day, std::int32_t> pending_by_day;  // number of pending records, by the day of their event_time
  Millis latest_arrival = kNever;
  Millis due = kNever;  // time of its timer (outlet_timers.h); kNever: it has none
};

// The outlet or SKU that a document names and that is unknown; nullopt: none.
std::optional<MissingReference> missing_of(const Event& document, const OutletRecord& outlet, const Catalogue& skus);

// Adds a pending document, or removes one from the numbers by day after it was popped from `pending`.
void add_pending(PendingRecord document, OutletRecord& outlet, const MarketContext& context);
void uncount_pending(const PendingRecord& document, OutletRecord& outlet, const MarketContext& context);
// Pending records of the outlet and the day of an event.
std::int32_t pending_of_day(const Event& document, const OutletRecord& outlet, const MarketContext& context);

}  // namespace fiverate
