// What becomes of a document: the part of acceptance that needs the outlet's history. Its ids are known already.
//
// In this order, the first that holds:
//   future             event_time > arrival + skew
//   late               arrival - event_time > lateness of its kind
//   event_id           known event_id of the kind: a duplicate if document, revision and content are equal, else a conflict
//   document, revision known: a duplicate if the content is equal, else a revision conflict (the first in the log counts)
//   superseded         a higher revision is known: kept, counts nowhere
//   late               a revision that replaces one whose event_time is out of reach by now
//   late               it would change a day that is final (only when arrivals run backwards)
//   accepted
#pragma once

#include <string>
#include <vector>

#include "event.pb.h"
#include "processors/trade/facts/outlet_facts.h"
#include "schemas/reasons.h"

namespace fiverate {

struct AcceptanceLimits {
  Millis order_lateness = 7 * kDayMs;
  Millis delivery_lateness = 7 * kDayMs;
  Millis visit_lateness = 14 * kDayMs;
  Millis future_skew = 5 * kMinuteMs;

  [[nodiscard]] Millis lateness_of(DocumentKind kind) const;
};

enum class Outcome : std::uint8_t { accepted, superseded, duplicate, rejected };

struct Verdict {
  Outcome outcome;
  Reason reason = Reason::late;  // if rejected
  std::string detail = {};
};

// The ids of a document event, checked by decode() to be there.
DocumentKind kind_of(const Event& event);
const std::string& document_id_of(const Event& event);
const std::string& outlet_id_of(const Event& event);  // of documents and outlet events
std::vector<std::string_view> sku_ids_of(const Event& event);

// Hash of a checked event's content: event time, cancelled, payload; not event_id, source, arrival_time.
std::uint64_t content_of(const Event& event);

// A document as it arrived, read once for all that is asked of it. Its SKUs must be known; the event must outlive it.
struct Arrived {
  const Event& event;
  Millis arrival;
  DocumentKind kind = kind_of(event);
  std::uint64_t content = content_of(event);
  std::vector<Line> lines;  // what it says of each SKU, in its order

  Arrived(const Event& document, Millis at, const Catalogue& catalogue);
};

// Judges a document, changes nothing. `first_open_day`: days before it are final (kNoDay: none).
Verdict judge(const OutletFacts& facts, const Arrived& arrived, Day first_open_day, const AcceptanceLimits& limits,
              const MarketContext& context);

// What will change when it is remembered.
Touched touched_by(const OutletFacts& facts, const Arrived& arrived, const MarketContext& context);

// Remembers an accepted or superseded document, found in the log as `ref`; an accepted one replaces the counted revision.
const Document& remember(OutletFacts& facts, Arrived arrived, const EventRef& ref, const MarketContext& context);

}  // namespace fiverate
