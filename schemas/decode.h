// From the bytes of a source record to a checked Event: the part of acceptance that needs the record alone (decode,
// payload, fields). First step of intake, and of a file replay; everything behind it relies on what is checked here.
//
// Accepted encodings, told apart without ambiguity by the first byte that is not white space:
//   '{'         JSON in exactly the contract's form
//   0x00        schema-registry frame: 0x00, id (4 bytes, big-endian), zigzag-varint index array ([0] = one 0x00), Protobuf
//   any other   bare Protobuf
// Unknown fields are ignored (and dropped: they are no part of an event's content). Null is absent; so is an empty string,
// except in free text. Times are cut to milliseconds.
#pragma once

#include <optional>
#include <string_view>

#include "event.pb.h"
#include "schemas/reasons.h"
#include "schemas/time.h"

namespace fiverate {

inline constexpr std::size_t kEventBytesMax = 256 * 1024;  // a larger record is malformed; bounds the work of one record
inline constexpr int kJsonDepthMax = 64;

// Decodes and checks `bytes` into `event` (cleared first; reuse it, its memory is kept). Nothing: it passed. Otherwise the
// first reason, in the order malformed > bad_payload > missing_field > bad_value > negative_quantity > duplicate_sku, each
// over the whole record; `event` then holds what could be read. Any payload passes: intake asks separately whether it
// stands in its own topic. Thread-safe.
[[nodiscard]] std::optional<Rejected> decode(std::string_view bytes, Event& event);

// The checks of fields alone, for an Event that came decoded.
[[nodiscard]] std::optional<Rejected> check_fields(const Event& event);

// The contract's JSON form of an event, one line, without line end; decode() of it gives an equal event.
[[nodiscard]] std::string to_json(const Event& event);
// The same with times as the market's clocks show them, "2026-03-02T12:00:00.000+08:00", for people to read.
[[nodiscard]] std::string to_json(const Event& event, const MarketCalendar& calendar);

// Instants of a checked event.
[[nodiscard]] Millis millis_of(const google::protobuf::Timestamp& time);
void set_millis(google::protobuf::Timestamp& time, Millis instant);
[[nodiscard]] inline Millis event_time_of(const Event& event) { return millis_of(event.event_time()); }
[[nodiscard]] inline std::int64_t revision_of(const Event& event) {
  return event.has_revision() ? event.revision() : 1;
}

}  // namespace fiverate
