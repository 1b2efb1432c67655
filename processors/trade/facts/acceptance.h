// The part of a document's validation that needs the outlet's history, and the change of the history by an accepted
// document. Its outlet and its SKUs are known.
//
// The first condition that holds decides:
//   future       event_time > arrival + skew
//   late         arrival - event_time > lateness of the kind
//   event_id     known for this kind: duplicate if document, revision and content are equal, else event_id_conflict
//   revision     known for this document: duplicate if the content is equal, else revision_conflict (the first counts)
//   superseded   a higher revision is known: the revision is kept but counts nowhere
//   late         the revision that it would replace has an event_time beyond the lateness
//   late         it would change a final day (possible only if arrivals run backwards)
//   bad_value    too_many_documents: it is a new document, and the outlet has outlet_day_documents_max of its day,
//                pending ones included
//   accepted
// Ids are known for kMemoryDays. `arrival` is the record's arrival time, `event_time` the time in the event.
#pragma once

#include <optional>
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
  std::int32_t outlet_day_documents_max = 10'000;

  [[nodiscard]] Millis lateness_of(DocumentKind kind) const;
};

enum class Outcome : std::uint8_t { accepted, superseded, duplicate, rejected };

struct Verdict {
  Outcome outcome;
  Reason reason = Reason::late;  // if rejected
  std::string detail = {};       // if rejected, for a person
};

// The ids of a document event that decode() has accepted.
DocumentKind kind_of(const Event& event);
const std::string& document_id_of(const Event& event);
const std::string& outlet_id_of(const Event& event);  // also of an outlet event
std::vector<std::string_view> sku_ids_of(const Event& event);

// Hash of an event's content: event time, cancelled and payload; without event_id, source and arrival_time.
std::uint64_t content_of(const Event& event);

// A document with its arrival and what is derived from both. All of its SKUs must be known; `event` must outlive it.
struct ArrivedDocument {
  const Event& event;
  Millis arrival;
  DocumentKind kind = kind_of(event);
  std::uint64_t content = content_of(event);
  std::vector<Line> lines;  // one for each line of the event, in its order

  ArrivedDocument(const Event& document, Millis at, const Catalogue& catalogue);
};

// Decides what becomes of a document, without any change. Days before `first_open_day` are final (kNoDay: none is).
// `pending` is the number of records of the outlet and of the day of the event that wait for reference data. Each of
// them, also a revision or a repetition, takes the place of a document.
Verdict validate(const OutletFacts& facts, const ArrivedDocument& arrived, Day first_open_day,
                 const AcceptanceLimits& limits, const MarketContext& context, std::int32_t pending = 0);

// The detail of too_many_documents if there is no place for one more pending record; nullopt if there is one. It needs
// a place of its day among pending records and documents; if its document is known, among pending records alone.
std::optional<std::string> too_many_to_wait(const OutletFacts& facts, const Event& event, Millis arrival,
                                            const AcceptanceLimits& limits, const MarketContext& context,
                                            std::int32_t pending);

// The SKUs and the document that remember() will change.
Affected affected_by(const OutletFacts& facts, const ArrivedDocument& arrived, const MarketContext& context);

// Adds an accepted or superseded document to the facts. An accepted one replaces the counted revision. `ref` is its
// position in the source topics.
const Document& remember(OutletFacts& facts, ArrivedDocument arrived, const EventRef& ref,
                         const MarketContext& context);

}  // namespace fiverate
