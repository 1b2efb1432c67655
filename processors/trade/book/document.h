// An order, delivery or visit of one outlet, as far as anything is computed from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "processors/trade/reference/catalogue.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

enum class DocumentKind : std::uint8_t { order = 0, delivery = 1, visit = 2 };

// An event with the place in the source topics where an auditor finds it.
struct EventRef {
  std::string event_id;
  Topic topic = Topic::orders;
  std::int32_t partition = 0;
  std::int64_t offset = -1;  // -1: position not known
};

struct Revision {
  std::int64_t number = 1;
  Millis event_time = 0;
  std::uint64_t content = 0;  // hash of event time, cancelled and payload
  EventRef event;
};

inline constexpr std::int64_t kAbsent = -1;  // of a quantity: not said

// Was the SKU seen on the shelf? on_shelf if the check says so, else by its facings, else by its count.
enum class Shelf : std::uint8_t { not_said = 0, empty = 1, present = 2 };
enum class PriceTag : std::uint8_t { not_said = 0, ok = 1, not_ok = 2 };

// What one document says of one SKU, in units.
struct Line {
  SkuNumber sku;
  std::int64_t quantity = 0;   // of a delivery
  std::int64_t requested = 0;  // of an order
  std::int64_t confirmed = 0;
  std::int64_t count = kAbsent;  // of a visit; the declared stock of an order
  std::int64_t price = kAbsent;  // of a visit, in fen
  Shelf shelf = Shelf::not_said;
  PriceTag price_tag = PriceTag::not_said;
};

// One document with all its remembered revisions. The highest counts.
struct Document {
  DocumentKind kind = DocumentKind::delivery;
  std::string id;
  std::vector<Revision> revisions;  // ascending by number; never empty
  bool counts = false;              // an activity: not cancelled, and a visit only if DONE
  bool is_return = false;
  bool not_done = false;    // a visit that found the outlet closed or was refused
  std::vector<Line> lines;  // empty if it does not count

  [[nodiscard]] const Revision& counted() const { return revisions.back(); }
};

// An event reference as it is saved.
template <typename Saved>
void save_event(const EventRef& event, Saved& saved) {
  saved.set_event_id(event.event_id);
  if (event.offset < 0) return;
  saved.set_topic(static_cast<std::int32_t>(event.topic));
  saved.set_partition(event.partition);
  saved.set_offset_after(event.offset + 1);
}
template <typename Saved>
EventRef load_event(const Saved& saved) {
  return {saved.event_id(), static_cast<Topic>(saved.topic()), saved.partition(), saved.offset_after() - 1};
}

}  // namespace fiverate
