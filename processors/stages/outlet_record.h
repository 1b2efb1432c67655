// The state of one outlet in the outlet stage: an OutletState under o/<outlet> in the store of the task.
#pragma once

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
  Millis latest_arrival = kNever;
  Millis due = kNever;  // time of its timer (outlet_timers.h); kNever: it has none
};

// Encodes an outlet for a StateTable. `context` must outlive it and know the SKUs before the first outlet is decoded.
struct OutletRecordCodec {
  MarketContext* context;
  Result<OutletRecord> decode(std::string_view bytes) const;
  std::string encode(const OutletRecord& record) const;
};

}  // namespace fiverate
