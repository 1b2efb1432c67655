// The facts of one outlet: its versions, its documents and, derived from them, the facts of each SKU. Everything that
// an outlet contributes to measures is a function of them (measures/timeline.h).
//
// Facts older than kMemoryDays before the watermark are dropped. No accepted event can change them, and they affect no
// day that is still open: a purchase has an effect for at most two windows (repeat buying, 181 days), and a day is
// final 15 days after its end. What a stock book still needs of dropped facts is folded into its opening.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "event.pb.h"
#include "processors/trade/base/intervals.h"
#include "processors/trade/base/window.h"
#include "processors/trade/book/document.h"
#include "processors/trade/book/sku_facts.h"
#include "processors/trade/measures/selection.h"
#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/segments.h"
#include "schemas/time.h"

namespace fiverate {

// An outlet is active on the day of a document and on the 55 days after it.
inline constexpr std::int32_t kActiveDays = 56;

// A document is compared with those of at most so many days before the day of its arrival.
inline constexpr std::int32_t kMemoryDays = 2 * kLongestWindow + 14;

// Where an outlet counts from a day on. It is in the population while a version that has begun is ACTIVE.
struct Assignment {
  Day from;
  bool in_population = false;
  SegmentNumber segment = kNoSegment;
  friend bool operator==(const Assignment&, const Assignment&) = default;
};

// The segments of an outlet by day, and the days on which it is active: in the population, with a document in the last
// kActiveDays.
struct OutletActivity {
  struct Stretch {
    Interval days;
    SegmentNumber segment;
    bool in_population;
    Intervals active;
    friend bool operator==(const Stretch&, const Stretch&) = default;
  };
  // Ascending; each begins where the one before ends. If empty, the outlet counts nowhere.
  std::vector<Stretch> stretches;
  // From this day on a document has kept the outlet active, and its time is not over; kEndOfDays: it is not so. Further
  // documents of these days change nothing.
  Day open_since = kEndOfDays;

  [[nodiscard]] SegmentNumber segment_on(Day day) const;
  friend bool operator==(const OutletActivity&, const OutletActivity&) = default;
};

struct Version {
  Day valid_from;
  bool cancelled = false;
  bool active = false;  // state ACTIVE
  SegmentNumber segment = kNoSegment;
};

// The calendar and the numbering of SKUs and segments that the facts of one task refer to, and what is computed from
// them. The calendar must outlive it.
struct MarketContext {
  const MarketCalendar& calendar;
  Catalogue catalogue;
  Segments segments;
  Selection selection = {};
};

// Documents by kind and id. An id may occur twice if the older document is beyond kMemoryDays; the newest comes last.
struct DocumentOrder {
  using is_transparent = void;
  using Identity = std::pair<DocumentKind, std::string_view>;
  static Identity identity(const std::unique_ptr<Document>& document) { return {document->kind, document->id}; }
  static const Identity& identity(const Identity& identity) { return identity; }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return identity(a) < identity(b);
  }
};
using DocumentSet = std::multiset<std::unique_ptr<Document>, DocumentOrder>;

struct OutletFacts {
  bool known = false;                   // An outlet event has arrived, possibly only a cancelled one.
  std::vector<Version> versions;        // ascending by valid_from
  std::vector<Assignment> assignments;  // ascending by `from`; if empty, the outlet counts nowhere
  DocumentSet documents;                // Facts point to them.
  Day kept_from = kNoDay;               // Documents of earlier days have been dropped.
  Day clock_day = kNoDay;               // The contributions sent so far assume that it is this day.

  // Derived from the documents:
  std::map<Day, std::int32_t> known_documents;                          // number of documents, by counted day
  std::map<Day, std::int32_t> active_documents;                         // number of documents that count, by day
  std::map<Day, std::int32_t> order_documents;                          // number of orders that count, by day
  std::unordered_multimap<std::uint64_t, const Document*> by_event_id;  // by the hash of the id, for each revision
  SkuMap<SkuFacts> skus;

  // Derived from the assignments, the documents and the clock:
  std::vector<PopulationFrom> population;  // the days on which the outlet is in the population
  OutletActivity activity;
};

// What a record of an outlet changes.
struct Affected {
  SkuSet skus;
  const Document* document = nullptr;  // the document of which the record is a revision; null if it is a new one
  DocumentKind kind = DocumentKind::delivery;
  Millis changed_from = kNever;  // Facts of earlier event times do not change.
};

// The first day on which the activity changes without any event: the end of the open interval of activity. nullopt if
// there is none.
std::optional<Day> activity_ends(const OutletFacts& facts);

// Sets the day that the contributions assume. It only grows.
void pass_time(OutletFacts& facts, Day today);

// Adds the counted revision of a document to the derived facts, or removes it from them.
void count_document(OutletFacts& facts, const Document& document, const MarketContext& context);
void uncount_document(OutletFacts& facts, const Document& document, const MarketContext& context);
// Adds a revision to the events that are known by their ids.
void index_event(OutletFacts& facts, const Document& document, const Revision& revision);
// The documents that may have a revision with this event_id.
std::vector<const Document*> documents_with_event(const OutletFacts& facts, std::string_view event_id);

// Derives everything from the documents, of which nothing has been derived yet.
void derive(OutletFacts& facts, const MarketContext& context);

// Applies an outlet version (a new valid_from, or a higher revision of a known one) and derives the assignments again.
// Those of days before `first_open_day` are final and stay (kNoDay: no day is final).
void apply_version(OutletFacts& facts, const Event& outlet_event, Day first_open_day, MarketContext& context);

// Drops documents whose counted day is before `day`, after folding their stock facts into the openings.
void forget_before(OutletFacts& facts, Day day, const MarketContext& context);

}  // namespace fiverate
