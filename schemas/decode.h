// Decodes the bytes of a source record into a checked Event: the part of acceptance that needs the record alone (encoding,
// payload, fields). It is the first step of intake and of a file replay; all later steps rely on these checks.
//
// The first byte that is not white space determines the encoding:
//   '{'         JSON in the contract's form
//   0x00        schema-registry frame: 0x00, id (4 bytes, big-endian), zigzag-varint index array ([0] = one 0x00), Protobuf
//   any other   bare Protobuf
// Unknown fields are dropped: they are not part of an event's content. Null is absent, and so is an empty string except in
// free text. Times are truncated to milliseconds.
#pragma once

#include <optional>
#include <string_view>

#include "event.pb.h"
#include "schemas/reasons.h"
#include "schemas/time.h"

namespace fiverate {

// A larger record is malformed; this bounds the work for one record.
inline constexpr std::size_t kEventBytesMax = 256 * 1024;
inline constexpr int kJsonDepthMax = 64;

// Decodes and checks `bytes` into `event`, which is cleared first and keeps its memory for reuse. Returns nothing if the record
// is accepted, else the gravest reason of the whole record, in the order malformed > bad_payload > missing_field > bad_value >
// negative_quantity > duplicate_sku; `event` then holds the fields that could be read. Every payload is accepted: intake checks
// separately whether the payload belongs to the topic. Thread-safe.
[[nodiscard]] std::optional<Rejected> decode(std::string_view bytes, Event& event);

// Checks the fields of an Event that is decoded already.
[[nodiscard]] std::optional<Rejected> check_fields(const Event& event);

// The contract's JSON form of an event, one line without line end. decode() of it gives an equal event.
[[nodiscard]] std::string to_json(const Event& event);
// The same with times in the market's time zone, "2026-03-02T12:00:00.000+08:00", for people.
[[nodiscard]] std::string to_json(const Event& event, const MarketCalendar& calendar);

// Instants of a checked event, in milliseconds.
[[nodiscard]] Millis millis_of(const google::protobuf::Timestamp& time);
void set_millis(google::protobuf::Timestamp& time, Millis instant);
[[nodiscard]] inline Millis event_time_of(const Event& event) {
  return millis_of(event.event_time());
}
[[nodiscard]] inline std::int64_t revision_of(const Event& event) {
  return event.has_revision() ? event.revision() : 1;
}

}  // namespace fiverate
