#include "processors/trade/facts/history_order.h"

#include "processors/trade/facts/acceptance.h"
#include "schemas/decode.h"
#include "schemas/instant.h"

namespace fiverate {
namespace {

using Group = HistoryPosition::Group;

Group group_of(const Event& event) {
  if (event.has_region()) return Group::region;
  if (event.has_sku()) return Group::sku;
  if (event.has_outlet()) return Group::outlet;
  return Group::other;
}

// Whether the line has an arrival_time that could not be read. It must not be replaced by the event_time.
bool has_unreadable_arrival(std::string_view line, const Event& event) {
  if (event.has_arrival_time()) return false;
  constexpr std::string_view kField = "\"arrival_time\"";
  auto at = line.rfind(kField);
  if (at == std::string_view::npos) return false;
  at = line.find_first_not_of(" \t:", at + kField.size());
  return at != std::string_view::npos && !line.substr(at).starts_with("null") && !line.substr(at).starts_with("\"\"");
}

std::optional<Millis> arrival_of(std::string_view line, const Event& event, bool is_rejected) {
  if (event.has_arrival_time()) return millis_of(event.arrival_time());
  if (!event.has_event_time() || (is_rejected && has_unreadable_arrival(line, event))) return std::nullopt;
  return event_time_of(event);
}

std::optional<Day> timely_day_of(const Event& event, Millis arrival, const MarketCalendar& calendar) {
  const AcceptanceLimits limits;
  const auto event_time = event_time_of(event);
  if (event_time > arrival + limits.future_skew) return std::nullopt;
  if (arrival - event_time > limits.lateness_of(kind_of(event))) return std::nullopt;
  return calendar.day_of(event_time);
}

}  // namespace

std::optional<HistoryLine> history_line(std::string_view line, const Event& event,
                                        const std::optional<Rejected>& rejected, const MarketCalendar& calendar) {
  if (event.has_mark() && !rejected) return std::nullopt;
  HistoryLine result;
  auto arrival = arrival_of(line, event, rejected.has_value());
  if (arrival && *arrival >= kArrivalsEndMs) arrival.reset();
  result.position = {Group::other, arrival.has_value(), arrival.value_or(0), event.event_id(), line};
  if (!rejected) result.position.group = group_of(event);
  const bool payload_known =
      !rejected || (rejected->reason != Reason::malformed && rejected->reason != Reason::bad_payload);
  if (payload_known) result.topic = home_of(event.payload_case()).value_or(Topic::deliveries);
  if (is_document(event.payload_case()) || event.has_outlet()) result.key = outlet_id_of(event);
  if (!rejected && arrival && is_document(event.payload_case())) result.day = timely_day_of(event, *arrival, calendar);
  return result;
}

Millis replay_arrival(const HistoryPosition& position, Millis earliest) {
  return position.group == Group::other && position.has_arrival ? position.arrival : earliest;
}

}  // namespace fiverate
