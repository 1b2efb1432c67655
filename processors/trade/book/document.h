// A document: an order, delivery or visit of one outlet, with the fields that something is computed from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "processors/trade/reference/catalogue.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

enum class DocumentKind : std::uint8_t { order = 0, delivery = 1, visit = 2 };

// The id of an event and its position in the source topics.
struct EventRef {
  std::string event_id;
  Topic topic = Topic::orders;
  std::int32_t partition = 0;
  std::int64_t offset = -1;  // -1: the position is not known (a file replay)
};

struct Revision {
  std::int64_t number = 1;
  Millis event_time = 0;
  std::uint64_t content = 0;  // content_of() the event: a hash of event time, cancelled and payload
  EventRef event;
};

inline constexpr std::int64_t kAbsent = -1;  // in place of a quantity that the document does not have

// Whether a visit found the SKU on the shelf: by the field on_shelf, else by the facings, else by the count.
enum class Shelf : std::uint8_t { not_recorded = 0, empty = 1, present = 2 };
enum class PriceTag : std::uint8_t { not_recorded = 0, ok = 1, not_ok = 2 };

// The line of one document for one SKU. Quantities are in units.
struct Line {
  SkuNumber sku;
  std::int64_t quantity = 0;     // delivery
  std::int64_t requested = 0;    // order
  std::int64_t confirmed = 0;    // order
  std::int64_t count = kAbsent;  // visit; of an order its declared stock
  std::int64_t price = kAbsent;  // visit, in fen
  Shelf shelf = Shelf::not_recorded;
  PriceTag price_tag = PriceTag::not_recorded;
};

// A document with all of its revisions that are kept. The highest one counts.
struct Document {
  DocumentKind kind = DocumentKind::delivery;
  std::string id;
  std::vector<Revision> revisions;  // ascending by number, never empty
  bool counts = false;              // It is not cancelled, and a visit is DONE: the outlet was active on its day.
  bool is_return = false;
  bool not_done = false;    // a visit that found the outlet closed or was refused
  std::vector<Line> lines;  // of the counted revision; empty if the document does not count

  [[nodiscard]] const Revision& counted() const { return revisions.back(); }
};

}  // namespace fiverate
