#include "schemas/decode.h"

#include <google/protobuf/io/coded_stream.h>

#include <string>
#include <utility>

#include "schemas/event_check.h"
#include "schemas/event_fields.h"
#include "schemas/event_json.h"

namespace fiverate {
namespace {

constexpr int kProtobufDepthMax = 16;  // an Event has 4 levels; only an unknown field can be deeper
constexpr int kNanosPerMilli = 1'000'000;
constexpr std::string_view kWhiteSpace = " \t\n\r";

// Returns the Protobuf inside a frame of the schema registry; nothing if the frame is broken or names another message.
std::optional<std::string_view> unframed(std::string_view bytes) {
  constexpr std::size_t kMagicAndId = 1 + 4;
  if (bytes.size() <= kMagicAndId) return std::nullopt;
  bytes.remove_prefix(kMagicAndId);
  // Event is the first message of its file: index array [0], written as one 0x00 or in full as 0x02 0x00 (length 1 in
  // zigzag, index 0).
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

void drop_unknown_fields(google::protobuf::Message& message) {
  const auto* reflection = message.GetReflection();
  if (!reflection->GetUnknownFields(message).empty()) reflection->MutableUnknownFields(&message)->Clear();
}

void normalise(google::protobuf::Timestamp& time) {
  drop_unknown_fields(time);
  if (time.nanos() >= 0)
    time.set_nanos(time.nanos() - time.nanos() % kNanosPerMilli);  // the checks reject negative ones
}

// Equal content becomes equal bytes, in the form that the JSON reader makes: without unknown fields, with times in whole
// milliseconds, and without empty texts. DiscardUnknownFields() does the first by reflection and costs more than the parse.
template <class Message>
void normalise(Message& message) {
  drop_unknown_fields(message);
  for_each_field<Message>([&]<class Field>(const Field& field) {
    if constexpr (is_list(Field::kHolds)) {
      for (auto& item : *field.change(message)) normalise(item);
    } else if constexpr (is_object(Field::kHolds) || Field::kHolds == Holds::time) {
      if (field.has(message)) normalise(*field.change(message));
    } else if constexpr (Field::kHolds == Holds::text) {
      if (field.has(message) && field.get(message).empty()) field.clear(message);
    }
  });
}

Rejected malformed(std::string detail, Event& event) {
  event.Clear();  // drops what was read before the error
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
  return std::move(findings).rejection(event);
}

// A Protobuf event usually begins with 0x0A (the tag of event_id), which JSON reads as a line end. With an event_id of 10,
// 13, 32 or 123 bytes the record may therefore begin like white space and '{'. No accepted event is both: its Protobuf
// contains the tag of a time, a control character that JSON forbids.
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

// A text like `12345678` or `[...]` also parses as Protobuf with unknown fields. Called for rejected records only.
bool is_json_but_no_object(std::string_view bytes, char first) {
  return std::string_view("[\"-0123456789tfn").find(first) != std::string_view::npos && is_json(bytes);
}

}  // namespace

std::optional<Rejected> decode(std::string_view bytes, Event& event) {
  event.Clear();
  if (bytes.size() > kEventBytesMax) return malformed(fmt::format("{} bytes", bytes.size()), event);
  // A frame is binary, so no white space can precede it.
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
