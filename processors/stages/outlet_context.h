// What the parts of the outlet stage have in common: its settings, the reference data, the time, and the event at hand.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "event.pb.h"
#include "ledger.pb.h"
#include "processors/stages/final_days.h"
#include "processors/stages/outlet_record.h"
#include "schemas/cause.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

struct OutletSettings {
  Definition definition;
  std::int32_t market_partitions = 1;  // In a replay it may differ from the definition's.
  std::size_t cache_bytes = 64 << 20;
  // For a file replay. All reference data comes first, so that no document waits for it; and no alert rule is evaluated
  // at `alerts_until`, the end of its last day, or later.
  bool reference_first = false;
  Millis alerts_until = kOpenEnd;
};

struct OutletContext {
  OutletSettings settings;
  MarketContext market;
  // Both come with progress records.
  Millis watermark = kNever;
  CausePosition reference_position;  // the last copy of a reference record that is in all partitions of deltas

  // An outlet's own clock is the later of the watermark and its latest arrival.
  [[nodiscard]] Millis clock_of(const OutletRecord& outlet) const { return std::max(watermark, outlet.latest_arrival); }
  [[nodiscard]] Day first_open_day() const { return fiverate::first_open_day(watermark, market.calendar); }
};

// A document or outlet version as it stands in the ledger.
struct LedgerEvent {
  const Event& event;
  Millis arrival;
  Cause source;  // its position in the source topic
};

// The source topic of a record of the ledger; nothing if `source` is no source topic.
std::optional<Topic> source_topic_of(const Cause& source);
// Names the event by its id and its position in the source topic; the position is left out if `source` is no source
// topic.
EventRef event_ref(const Event& event, const Cause& source);

}  // namespace fiverate
