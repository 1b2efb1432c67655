#include "readers/query/alert_json.h"

#include <algorithm>
#include <tuple>

#include "schemas/json_text.h"

namespace fiverate {
namespace {

void append_field(std::string_view name, std::string_view text, fmt::memory_buffer& out) {
  fmt::format_to(std::back_inserter(out), "\"{}\":", name);
  append_json_string(text, out);
  out.push_back(',');
}

void append_field(std::string_view name, std::int64_t value, fmt::memory_buffer& out) {
  fmt::format_to(std::back_inserter(out), "\"{}\":{},", name, value);
}

void append_row(const Evidence::Row& row, fmt::memory_buffer& out) {
  out.push_back('{');
  append_field("as_of", format_date(Day{row.as_of_day()}), out);
  append_field("brand_id", row.brand_id(), out);
  append_field("region_id", row.region_id(), out);
  append_field("class_dimension", row.class_dimension(), out);
  append_field("class_value", row.class_value(), out);
  fmt::format_to(std::back_inserter(out), "\"window_days\":{}}}", row.window_days());
}

void append_evidence(const Evidence& evidence, fmt::memory_buffer& out) {
  if (evidence.has_row()) return append_row(evidence.row(), out);
  append("{\"event_id\":", out);
  append_json_string(evidence.event_id(), out);
  if (!evidence.topic().empty()) {
    append(",\"topic\":", out);
    append_json_string(evidence.topic(), out);
    fmt::format_to(std::back_inserter(out), ",\"partition\":{},\"offset\":{}", evidence.partition(), evidence.offset());
  }
  out.push_back('}');
}

auto order_of(const Transition& t) {
  const std::string_view region = t.outlet_id().empty() ? std::string_view(t.region_id()) : std::string_view{};
  return std::tuple(std::string_view(t.rule()), std::string_view(t.brand_id()), std::string_view(t.sku_id()),
                    std::string_view(t.outlet_id()), region, std::string_view(t.class_dimension()),
                    std::string_view(t.class_value()), t.transition());
}

}  // namespace

void append_json_fields(const Transition& transition, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  append_field("alert_id", transition.alert_id(), out);
  append_field("transition", transition.transition(), out);
  append_field("episode", transition.episode(), out);
  append_field("rule", transition.rule(), out);
  append_field("severity", name_of(transition.severity()), out);
  append_field("state", name_of(transition.state()), out);
  append_field("at", calendar.format(transition.at_ms()), out);
  append_field("since", calendar.format(transition.since_ms()), out);
  append_field("known_at", calendar.format(transition.known_at_ms()), out);
  append_field("brand_id", transition.brand_id(), out);
  append_field("sku_id", transition.sku_id(), out);
  append_field("outlet_id", transition.outlet_id(), out);
  append_field("region_id", transition.region_id(), out);
  append_field("class_dimension", transition.class_dimension(), out);
  append_field("class_value", transition.class_value(), out);
  append_field("value", transition.value(), out);
  append_field("threshold", transition.threshold(), out);
  append_field("unit", transition.unit(), out);
  append("\"evidence\":[", out);
  for (int i = 0; i < transition.evidence_size(); ++i) {
    if (i > 0) out.push_back(',');
    append_evidence(transition.evidence(i), out);
  }
  append("],", out);
  append("\"policy_id\":", out);
  append_json_string(transition.policy_id(), out);
}

void append_json_line(const Transition& transition, const MarketCalendar& calendar, fmt::memory_buffer& out) {
  out.push_back('{');
  append_json_fields(transition, calendar, out);
  append("}\n", out);
}

void sort_canonically(std::vector<Transition>& transitions) {
  std::sort(transitions.begin(), transitions.end(),
            [](const Transition& a, const Transition& b) { return order_of(a) < order_of(b); });
}

}  // namespace fiverate
