// The stored record of an outlet: a flat record (flat_record.h) with these fields, in this order.
//
//   format            kFormat; another one is refused
//   clocks            latest arrival, timer, clock day, first kept day, whether the outlet is known
//   versions          valid_from, cancelled, active, segment; a segment is a region with class values
//   assignments       from, in population, segment
//   openings          SKU, book and open stockout before the kept documents
//   documents         kind, id, revisions, lines of the counted revision
//   alerts            SKU, what has been published of it
//   pending           PendingRecord messages
//
// Everything else is derived from the documents when the record is read. Records have checksums in the store, so an invalid one was
// written by another program or by an error in this one.
#pragma once

#include <string>
#include <string_view>

#include "processors/stages/outlet_record.h"
#include "processors/stream/error.h"

namespace fiverate {

// Encodes an outlet for a StateTable. `context` must outlive it and know the SKUs before the first outlet is decoded.
struct OutletRecordCodec {
  MarketContext* context;
  Result<OutletRecord> decode(std::string_view bytes) const;
  std::string encode(const OutletRecord& record) const;
};

}  // namespace fiverate
