#include "tests/support/events.h"

#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate::test {
namespace {

Event named(const std::string& id, Millis time) {
  Event event;
  event.set_event_id(id + "#1");
  event.set_source("test");
  set_millis(*event.mutable_event_time(), time);
  return event;
}

Event delivered(const std::string& id, const std::string& outlet_id, Millis time, const Lines& lines,
                Delivery::Direction direction) {
  auto event = named(id, time);
  auto& delivery = *event.mutable_delivery();
  delivery.set_delivery_id(id);
  delivery.set_outlet_id(outlet_id);
  delivery.set_direction(direction);
  for (const auto& [sku_id, quantity] : lines) {
    auto& line = *delivery.add_lines();
    line.set_sku_id(sku_id);
    line.set_quantity(quantity);
  }
  return event;
}

// "D1#1" -> "D1"
std::string stem_of(const Event& event) {
  return event.event_id().substr(0, event.event_id().rfind('#'));
}

}  // namespace

const MarketCalendar& shanghai() {
  static const MarketCalendar calendar("Asia/Shanghai");
  return calendar;
}

Day day(std::string_view date) {
  const auto parsed = parse_date(date);
  CHECK(parsed.has_value(), date);
  return *parsed;
}

Day nth(std::int32_t number) {
  return day("2026-03-01") + number;
}

Millis at(std::string_view local) {
  const auto parsed = shanghai().parse_local(local);
  CHECK(parsed.has_value(), local);
  return *parsed;
}

Millis noon(Day day) {
  return shanghai().start_of(day) + kDayMs / 2;
}

Event delivery(const std::string& id, const std::string& outlet_id, Millis time, const Lines& lines) {
  return delivered(id, outlet_id, time, lines, Delivery::OUT);
}

Event returned(const std::string& id, const std::string& outlet_id, Millis time, const Lines& lines) {
  return delivered(id, outlet_id, time, lines, Delivery::RETURN);
}

Event order(const std::string& id, const std::string& outlet_id, Millis time, const Lines& lines) {
  auto event = named(id, time);
  auto& order = *event.mutable_order();
  order.set_order_id(id);
  order.set_outlet_id(outlet_id);
  for (const auto& [sku_id, quantity] : lines) {
    auto& line = *order.add_lines();
    line.set_sku_id(sku_id);
    line.set_requested(quantity);
    line.set_confirmed(quantity);
  }
  return event;
}

Event visit(const std::string& id, const std::string& outlet_id, Millis time, Visit::Outcome outcome) {
  auto event = named(id, time);
  auto& visit = *event.mutable_visit();
  visit.set_visit_id(id);
  visit.set_outlet_id(outlet_id);
  visit.set_visitor_id("visitor");
  visit.set_outcome(outcome);
  return event;
}

Event region(const std::string& id, const std::string& parent_id, Region::Level level) {
  auto event = named("region " + id, at("2026-01-01T00:00:00"));
  event.mutable_region()->set_region_id(id);
  if (!parent_id.empty()) event.mutable_region()->set_parent_id(parent_id);
  event.mutable_region()->set_level(level);
  return event;
}

Event sku(const std::string& id, const std::string& brand_id, std::string_view valid_from) {
  auto event = named(fmt::format("sku {} {}", id, valid_from), at("2026-01-01T00:00:00"));
  event.mutable_sku()->set_sku_id(id);
  event.mutable_sku()->set_brand_id(brand_id);
  event.mutable_sku()->set_valid_from(std::string(valid_from));
  event.mutable_sku()->set_guide_price_fen(2200);
  return event;
}

Event outlet(const std::string& id, Day valid_from, const std::string& region_id, Outlet::State state,
             const Classes& classes) {
  auto event = named(fmt::format("outlet {} {}", id, format_date(valid_from)), at("2026-01-01T00:00:00"));
  auto& outlet = *event.mutable_outlet();
  outlet.set_outlet_id(id);
  outlet.set_valid_from(format_date(valid_from));
  outlet.set_region_id(region_id);
  outlet.set_state(state);
  for (const auto& [dimension, value] : classes) {
    auto& one = *outlet.add_classes();
    one.set_dimension(dimension);
    one.set_value(value);
  }
  return event;
}

Event mark(Millis complete_through) {
  Event event;
  set_millis(*event.mutable_mark()->mutable_complete_through(), complete_through);
  return event;
}

Event with_event_id(Event event, const std::string& event_id) {
  event.set_event_id(event_id);
  return event;
}

Event revised(Event event, std::int64_t revision) {
  event.set_event_id(fmt::format("{}#{}", stem_of(event), revision));
  event.set_revision(revision);
  return event;
}

Event cancelled(Event event, std::int64_t revision) {
  auto result = revised(std::move(event), revision);
  result.set_cancelled(true);
  // A cancellation names ids only.
  if (result.has_delivery()) {
    result.mutable_delivery()->clear_lines();
    result.mutable_delivery()->clear_direction();
  }
  if (result.has_order()) result.mutable_order()->clear_lines();
  if (result.has_visit()) {
    result.mutable_visit()->clear_outcome();
    result.mutable_visit()->clear_visitor_id();
  }
  if (result.has_outlet()) {
    result.mutable_outlet()->clear_region_id();
    result.mutable_outlet()->clear_state();
    result.mutable_outlet()->clear_classes();
  }
  if (result.has_region()) {
    result.mutable_region()->clear_parent_id();
    result.mutable_region()->clear_level();
  }
  if (result.has_sku()) result.mutable_sku()->clear_brand_id();
  return result;
}

}  // namespace fiverate::test
