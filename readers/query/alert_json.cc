#include "readers/query/alert_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

namespace fiverate {
namespace {

using Json = nlohmann::ordered_json;

Json evidence_json(const Evidence& evidence) {
  if (evidence.has_row()) {
    const auto& row = evidence.row();
    return {{"as_of", format_date(Day{row.as_of_day()})},
            {"brand_id", row.brand_id()},
            {"region_id", row.region_id()},
            {"class_dimension", row.class_dimension()},
            {"class_value", row.class_value()},
            {"window_days", row.window_days()}};
  }
  Json json{{"event_id", evidence.event_id()}};
  if (!evidence.topic().empty()) {
    json["topic"] = evidence.topic();
    json["partition"] = evidence.partition();
    json["offset"] = evidence.offset();
  }
  return json;
}

auto order_of(const Transition& t) {
  const std::string_view region = t.outlet_id().empty() ? std::string_view(t.region_id()) : std::string_view{};
  return std::tuple(std::string_view(t.rule()), std::string_view(t.brand_id()), std::string_view(t.sku_id()),
                    std::string_view(t.outlet_id()), region, std::string_view(t.class_dimension()),
                    std::string_view(t.class_value()), std::string_view(t.source_topic()), t.transition());
}

}  // namespace

Json to_json(const Transition& t, const MarketCalendar& calendar) {
  auto evidence = Json::array();
  for (const auto& each : t.evidence()) evidence.push_back(evidence_json(each));
  Json json{{"alert_id", t.alert_id()},
            {"transition", t.transition()},
            {"episode", t.episode()},
            {"rule", t.rule()},
            {"severity", name_of(t.severity())},
            {"state", name_of(t.state())},
            {"at", calendar.format(t.at_ms())},
            {"since", calendar.format(t.since_ms())},
            {"known_at", calendar.format(t.known_at_ms())},
            {"brand_id", t.brand_id()},
            {"sku_id", t.sku_id()},
            {"outlet_id", t.outlet_id()},
            {"region_id", t.region_id()},
            {"class_dimension", t.class_dimension()},
            {"class_value", t.class_value()}};
  // Only rule R16 has these two.
  if (!t.source_topic().empty()) json["source_topic"] = t.source_topic();
  json["value"] = t.value();
  json["threshold"] = t.threshold();
  json["unit"] = t.unit();
  if (t.has_reason()) json["reason"] = {{"code", t.reason().code()}};
  json["evidence"] = std::move(evidence);
  json["policy_id"] = t.policy_id();
  return json;
}

void append_json_line(const Json& object, fmt::memory_buffer& out) {
  const auto text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  out.append(text.data(), text.data() + text.size());
  out.push_back('\n');
}

void append_json_line(const Transition& transition, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  append_json_line(to_json(transition, calendar), out);
}

void sort_canonically(std::vector<Transition>& transitions) {
  std::sort(transitions.begin(), transitions.end(),
            [](const Transition& a, const Transition& b) { return order_of(a) < order_of(b); });
}

}  // namespace fiverate
