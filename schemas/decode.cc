#include "schemas/decode.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <string>
#include <utility>

#include "schemas/event_json.h"

namespace fiverate {
namespace {

constexpr int kProtobufDepthMax = 16;  // an Event has 4 levels; deeper can only be an unknown field
constexpr int kNanosPerMilli = 1'000'000;
constexpr std::string_view kWhiteSpace = " \t\n\r";

// Protobuf behind the schema registry's frame; nothing if the frame is broken or names another message of the schema.
std::optional<std::string_view> unframed(std::string_view bytes) {
  constexpr std::size_t kMagicAndId = 1 + 4;
  if (bytes.size() <= kMagicAndId) return std::nullopt;
  bytes.remove_prefix(kMagicAndId);
  // Event is the first message of its file: index array [0], which is written as one 0x00 or in full as 0x02 0x00
  // (length 1 in zigzag, index 0).
  if (bytes.starts_with('\x02')) bytes.remove_prefix(1);
  if (!bytes.starts_with('\0')) return std::nullopt;
  return bytes.substr(1);
}

// An empty frame body or record is an Event without any field.
bool parse_protobuf(std::string_view bytes, Event& event) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));  // at most kEventBytesMax
  in.SetRecursionLimit(kProtobufDepthMax);
  return event.ParseFromCodedStream(&in) && in.ConsumedEntireMessage();
}

void cut_to_millis(google::protobuf::Timestamp& time) {
  if (time.nanos() >= 0)
    time.set_nanos(time.nanos() - time.nanos() % kNanosPerMilli);  // negative: the checks' business
}

bool has_unknown(const google::protobuf::Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

template <class Document, class Lines>
bool any_unknown(const Document& document, const Lines& lines) {
  return has_unknown(document) || std::any_of(lines.begin(), lines.end(), has_unknown);
}

// DiscardUnknownFields() walks over every field and would cost more than the parse. Documents are nearly all of the
// traffic and flat, so for them one look at each message tells that there is nothing to discard.
bool may_hold_unknown(const Event& event) {
  if (has_unknown(event) || has_unknown(event.event_time()) || has_unknown(event.arrival_time())) return true;
  switch (event.payload_case()) {
    case Event::kOrder:
      return any_unknown(event.order(), event.order().lines());
    case Event::kDelivery:
      return any_unknown(event.delivery(), event.delivery().lines());
    case Event::kVisit:
      return any_unknown(event.visit(), event.visit().checks());
    default:
      return true;
  }
}

// Equal content, equal bytes: the JSON reader makes events of this form only.
void normalise(Event& event) {
  if (may_hold_unknown(event)) event.DiscardUnknownFields();
  if (event.has_event_time()) cut_to_millis(*event.mutable_event_time());
  if (event.has_arrival_time()) cut_to_millis(*event.mutable_arrival_time());
  if (event.has_mark() && event.mark().has_complete_through()) {
    cut_to_millis(*event.mutable_mark()->mutable_complete_through());
  }
  if (!event.has_command()) return;
  Command& command = *event.mutable_command();
  // The one `optional string` that is no free text: empty is absent.
  if (command.text().empty()) command.clear_text();
  if (!command.has_silence()) return;
  Command::Silence& silence = *command.mutable_silence();
  if (silence.has_starts_at()) cut_to_millis(*silence.mutable_starts_at());
  if (silence.has_ends_at()) cut_to_millis(*silence.mutable_ends_at());
}

Rejected malformed(std::string detail, Event& event) {
  event.Clear();  // a half-read event is no event
  return {Reason::malformed, std::move(detail), {}};
}

std::optional<Rejected> decode_protobuf(std::string_view bytes, Event& event) {
  if (!parse_protobuf(bytes, event)) return malformed("not Protobuf", event);
  normalise(event);
  return check_fields(event);
}

std::optional<Rejected> decode_json(std::string_view bytes, Event& event) {
  Findings findings;
  std::string detail;
  if (!read_json(bytes, event, findings, detail)) return malformed(std::move(detail), event);
  check_fields(event, findings);
  return std::move(findings).verdict(event);
}

// A Protobuf event begins with 0x0A as a rule (the tag of event_id), which is a line end to JSON. An event_id of 10,
// 13, 32 or 123 bytes may therefore look like white space and '{'. No event that passes is both: its Protobuf holds the
// tag of a time, a control character that JSON forbids.
bool may_be_protobuf(std::string_view bytes) {
  return bytes.starts_with('\x0A');
}

std::optional<Rejected> decode_json_or_protobuf(std::string_view bytes, Event& event) {
  auto as_json = decode_json(bytes, event);
  if (!as_json || as_json->reason != Reason::malformed || !may_be_protobuf(bytes)) return as_json;
  auto as_protobuf = decode_protobuf(bytes, event);
  if (event.payload_case() != Event::PAYLOAD_NOT_SET) return as_protobuf;
  event.Clear();
  return as_json;
}

// Text like `12345678` or `[...]` can be read as Protobuf with unknown fields. Asked only about what did not pass.
bool is_json_but_no_object(std::string_view bytes, char first) {
  return std::string_view("[\"-0123456789tfn").find(first) != std::string_view::npos && is_json(bytes);
}

}  // namespace

std::optional<Rejected> decode(std::string_view bytes, Event& event) {
  event.Clear();
  if (bytes.size() > kEventBytesMax) return malformed(fmt::format("{} bytes", bytes.size()), event);
  // A frame is binary: nothing can stand before it.
  if (bytes.starts_with('\0')) {
    const auto body = unframed(bytes);
    return body ? decode_protobuf(*body, event) : malformed("not a frame around an Event", event);
  }
  const std::size_t first = bytes.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return malformed("empty", event);
  if (bytes[first] == '{') return decode_json_or_protobuf(bytes, event);

  auto rejected = decode_protobuf(bytes, event);
  if (rejected && is_json_but_no_object(bytes, bytes[first])) return malformed("JSON, but not an object", event);
  return rejected;
}

Millis millis_of(const google::protobuf::Timestamp& time) {
  return time.seconds() * kSecondMs + time.nanos() / kNanosPerMilli;
}

void set_millis(google::protobuf::Timestamp& time, Millis instant) {
  const Millis second = instant / kSecondMs - (instant % kSecondMs < 0 ? 1 : 0);
  time.set_seconds(second);
  time.set_nanos(static_cast<std::int32_t>((instant - second * kSecondMs) * kNanosPerMilli));
}

}  // namespace fiverate
