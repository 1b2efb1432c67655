#include "processors/stages/ingress.h"

#include <algorithm>

#include "schemas/decode.h"
#include "schemas/format.h"
#include "schemas/instant.h"
#include "schemas/topics.h"
#include "state.pb.h"

namespace fiverate {
namespace {

std::optional<Rejected> check_topic(Topic topic, const Event& event) {
  const auto home = home_of(event.payload_case());
  if (!home || home == topic) return std::nullopt;
  return Rejected{Reason::bad_payload, fmt::format("this payload belongs into the topic {}", name_of(*home)),
                  event.event_id()};
}

// With the clock raised beyond the year 9999, every later record of the partition would be late.
std::optional<Rejected> check_timestamp(Millis timestamp, const Event& event) {
  if (timestamp < kYear10000Ms) return std::nullopt;
  return Rejected{Reason::bad_value, fmt::format("the Kafka timestamp {} is later than the year 9999", timestamp),
                  event.event_id()};
}

}  // namespace

Ingress::Record& Ingress::read(const InRecord& record) {
  if (record_.offset == record.offset) return record_;
  record_.offset = record.offset;
  record_.rejected = decode(record.value, record_.event);
  if (!record_.rejected) record_.rejected = check_topic(record.input.topic, record_.event);
  if (!record_.rejected) record_.rejected = check_timestamp(record.timestamp, record_.event);
  record_.is_mark = !record_.rejected && record_.event.has_mark();
  record_.claimed = is_instant(record.timestamp) ? record.timestamp : kNever;
  if (record_.is_mark && !is_live_ && !record_.event.mark().live())
    record_.claimed = std::max(record_.claimed, millis_of(record_.event.mark().complete_through()));
  return record_;
}

Millis Ingress::admit(Record& record) {
  if (guard_.verdict(record.offset, record.claimed, highest_) == JumpGuard::Verdict::rejected) {
    record.is_mark = false;
    if (!record.rejected) {
      record.rejected =
          Rejected{Reason::future,
                   fmt::format("it would move the clock of its source partition to {}, more than {} days ahead",
                               calendar_.format(record.claimed), JumpGuard::kTolerance / kDayMs),
                   record.event.event_id()};
    }
  } else {
    highest_ = std::max(highest_, record.claimed);
    is_live_ |= record.is_mark && record.event.mark().live();
  }
  return std::max<Millis>(highest_, 0);
}

bool Ingress::load(std::string_view bytes) {
  IngressState state;
  if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  highest_ = state.highest_arrival_ms();
  is_live_ = state.live();
  return true;
}

std::string Ingress::save() const {
  IngressState state;
  state.set_highest_arrival_ms(highest_);
  state.set_live(is_live_);
  return state.SerializeAsString();
}

}  // namespace fiverate
