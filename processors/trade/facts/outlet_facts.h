// What is known of one outlet: its versions, its documents, and, derived from them, the book of each SKU. Everything that an outlet contributes is a function of this record (timeline.h).
//
// Facts older than kMemoryDays before the watermark can neither be reached by an accepted event nor touch a day that is
// not final: the longest effect of a purchase is two windows (repeat buying, 181 days), and a day is final 15 days
// after its end. They are dropped; what a book still needs of them is folded into its opening.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event.pb.h"
#include "processors/trade/book/document.h"
#include "processors/trade/book/stockout.h"
#include "processors/trade/measures/intervals.h"
#include "processors/trade/measures/measure.h"
#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/places.h"
#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

// Identity is compared with documents of at most so many days before the day of the new record's arrival.
inline constexpr std::int32_t kMemoryDays = 2 * kLongestWindow + 14;

// Where an outlet counts from a day on. `active`: in the population (version ACTIVE and begun).
struct Assignment {
  Day from;
  bool active = false;
  PlaceNumber place = kNowhere;
  friend bool operator==(const Assignment&, const Assignment&) = default;
};

struct Version {
  Day valid_from;
  bool cancelled = false;
  bool active = false;
  PlaceNumber place = kNowhere;
};

// What facts refer to by number, of one task. The calendar outlives it.
struct MarketContext {
  const MarketCalendar& calendar;
  Catalogue catalogue;
  Places places;
};

struct OutletFacts {
  bool known = false;                   // an outlet event has come, be it a cancelled one
  std::vector<Version> versions;        // ascending by valid_from
  std::vector<Assignment> assignments;  // ascending by from; empty: counts nowhere
  // Sorted by (kind, id); one id may stand twice if the older one is forgotten. Facts point to them.
  std::vector<std::unique_ptr<Document>> documents;
  Day kept_from = kNoDay;  // documents of earlier days have been dropped
  Day clock_day = kNoDay;  // contributions sent so far assume that it is this day

  // Derived from documents, kept up to date by count_document and uncount_document.
  std::map<Day, std::int32_t> active_documents;  // how many activities a day
  SkuMap<SkuFacts> skus;
};

// What a new record of an outlet will change.
struct Touched {
  SkuSet skus;
  const Document* document = nullptr;  // that it is a revision of
  bool is_order = false;
};

// On which days is the outlet in the population?
std::vector<ActiveFrom> activity_of(const OutletFacts& facts);

// Takes the counted revision of a document into the derived facts, or out of them.
void count_document(OutletFacts& facts, const Document& document, const MarketContext& context);
void uncount_document(OutletFacts& facts, const Document& document, const MarketContext& context);

// Takes a version (a new valid_from, or a higher revision of a known one) and derives the assignments anew. Days before
// `first_open_day` are final and stay as they were (kNoDay: none is).
void apply_version(OutletFacts& facts, const Event& outlet_event, Day first_open_day, MarketContext& context);

// Drops documents whose counted day is before `day`; what they said of stock is folded into the opening books.
void forget_before(OutletFacts& facts, Day day, const MarketContext& context);

void save(const OutletFacts& facts, const MarketContext& context, OutletState& state);
OutletFacts load(const OutletState& state, MarketContext& context);

}  // namespace fiverate
