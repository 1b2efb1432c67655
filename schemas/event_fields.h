// The fields of an event. Each field is listed once, with what it holds and when it is required; reading and writing JSON
// (event_json.cc), checking (event_check.cc) and normalising (decode.cc) derive from this table. The order of the fields is
// the order in which JSON is written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>

#include "event.pb.h"

namespace fiverate {

enum class Holds : std::uint8_t {
  text,       // an empty text is an absent one
  free_text,  // may be empty
  setting,    // in JSON a text or a number; Protobuf holds the text of either
  date,       // text, YYYY-MM-DD
  time,       // in JSON a text, RFC 3339; Protobuf holds a Timestamp
  quantity,   // integer in 0..1,000,000,000
  revision,   // integer in 1..2^53
  boolean,
  choice,  // in JSON the name of an enum's value; the value 0 is an absent one
  object,
  payload,     // an object, of which an event holds exactly one
  list,        // of objects
  sku_list,    // a list that holds each sku_id at most once
  class_list,  // a list that holds each dimension at most once
};

enum class Need : std::uint8_t {
  always,          // an id: a cancellation needs it too
  always_or_mark,  // like always, but a mark does not need it
  unless_cancelled,
  optional,
};

// `get(message)` returns the value, `has(message)` is false for an absent one, `change(message)` returns a pointer to a text,
// message or list, `set(message, value)` sets a number, boolean or enum, `clear(message)` makes it absent. They are inlined: the
// table costs nothing at run time.
template <Holds kHeld, class Get, class Has, class Change, class Set, class Clear>
struct Field {
  static constexpr Holds kHolds = kHeld;
  std::string_view name;
  Need need;
  Get get;
  Has has;
  Change change;
  Set set;
  Clear clear;
};

namespace internal {

template <Holds kHeld, class Get, class Has, class Change, class Set, class Clear>
constexpr auto make_field(std::string_view name, Need need, Get get, Has has, Change change, Set set, Clear clear) {
  return Field<kHeld, Get, Has, Change, Set, Clear>{name, need, get, has, change, set, clear};
}

// Fields without a has_...() of their own are absent when they are empty or zero.
inline bool is_set(const std::string& text) {
  return !text.empty();
}
template <class Item>
bool is_set(const google::protobuf::RepeatedPtrField<Item>& list) {
  return !list.empty();
}
template <class Scalar>
bool is_set(Scalar value) {
  return value != Scalar{};
}

}  // namespace internal

#define FIELD(field, holds, need)                                                                \
  ::fiverate::internal::make_field<Holds::holds>(                                                \
      #field, Need::need, [](const auto& message) -> decltype(auto) { return message.field(); }, \
      [](const auto& message) {                                                                  \
        if constexpr (requires { message.has_##field(); }) {                                     \
          return message.has_##field();                                                          \
        } else {                                                                                 \
          return ::fiverate::internal::is_set(message.field());                                  \
        }                                                                                        \
      },                                                                                         \
      [](auto& message) { return message.mutable_##field(); },                                   \
      [](auto& message, auto value) { message.set_##field(value); }, [](auto& message) { message.clear_##field(); })

#define MESSAGE(message, ...) \
  template <>                 \
  inline constexpr auto kFields<message> = std::tuple(__VA_ARGS__)

template <class Message>
inline constexpr auto kFields = std::tuple<>();

// One field a line.
// clang-format off
MESSAGE(Event,
    FIELD(event_id, text, always_or_mark),
    FIELD(source, text, optional),
    FIELD(event_time, time, always_or_mark),
    FIELD(arrival_time, time, optional),
    FIELD(revision, revision, optional),
    FIELD(cancelled, boolean, optional),
    FIELD(order, payload, optional),
    FIELD(delivery, payload, optional),
    FIELD(visit, payload, optional),
    FIELD(outlet, payload, optional),
    FIELD(sku, payload, optional),
    FIELD(region, payload, optional),
    FIELD(policy, payload, optional),
    FIELD(target, payload, optional),
    FIELD(plan, payload, optional),
    FIELD(allocation, payload, optional),
    FIELD(calendar, payload, optional),
    FIELD(command, payload, optional),
    FIELD(mark, payload, optional));

// ---- documents ------------------------------------------------------------------------------------------------------

MESSAGE(Order,
    FIELD(order_id, text, always),
    FIELD(outlet_id, text, always),
    FIELD(promised_date, date, optional),
    FIELD(lines, sku_list, optional));

MESSAGE(Order::Line,
    FIELD(sku_id, text, unless_cancelled),
    FIELD(requested, quantity, unless_cancelled),
    FIELD(confirmed, quantity, unless_cancelled),
    FIELD(declared_stock, quantity, optional));

MESSAGE(Delivery,
    FIELD(delivery_id, text, always),
    FIELD(order_id, free_text, optional),
    FIELD(outlet_id, text, always),
    FIELD(direction, choice, unless_cancelled),
    FIELD(lines, sku_list, optional));

MESSAGE(Delivery::Line,
    FIELD(sku_id, text, unless_cancelled),
    FIELD(quantity, quantity, unless_cancelled));

MESSAGE(Visit,
    FIELD(visit_id, text, always),
    FIELD(outlet_id, text, always),
    FIELD(visitor_id, text, unless_cancelled),
    FIELD(outcome, choice, unless_cancelled),
    FIELD(checks, sku_list, optional));

MESSAGE(Visit::Check,
    FIELD(sku_id, text, unless_cancelled),
    FIELD(count, quantity, optional),
    FIELD(on_shelf, boolean, optional),
    FIELD(facings, quantity, optional),
    FIELD(retail_price_fen, quantity, optional),
    FIELD(price_tag, choice, optional));

// ---- reference ------------------------------------------------------------------------------------------------------

MESSAGE(Outlet,
    FIELD(outlet_id, text, always),
    FIELD(valid_from, date, always),
    FIELD(region_id, text, unless_cancelled),
    FIELD(state, choice, unless_cancelled),
    FIELD(classes, class_list, optional),
    FIELD(name, free_text, optional));

MESSAGE(ClassValue,
    FIELD(dimension, text, unless_cancelled),
    FIELD(value, text, unless_cancelled));

MESSAGE(Sku,
    FIELD(sku_id, text, always),
    FIELD(brand_id, text, unless_cancelled),
    FIELD(valid_from, date, always),
    FIELD(guide_price_fen, quantity, optional),
    FIELD(wholesale_price_fen, quantity, optional),
    FIELD(brand_group, free_text, optional),
    FIELD(pack, text, optional),
    FIELD(name, free_text, optional));

MESSAGE(Region,
    FIELD(region_id, text, always),
    FIELD(parent_id, free_text, optional),
    FIELD(level, choice, unless_cancelled),
    FIELD(name, free_text, optional));

MESSAGE(Scope,
    FIELD(brand_group, text, optional),
    FIELD(brand_id, text, optional),
    FIELD(region_id, text, optional),
    FIELD(class_dimension, text, optional),
    FIELD(class_value, text, optional));

MESSAGE(Policy,
    FIELD(policy_id, text, always),
    FIELD(valid_from, date, always),
    FIELD(rules, list, optional));

MESSAGE(Policy::Rule,
    FIELD(rule, text, unless_cancelled),
    FIELD(scope, object, unless_cancelled),
    FIELD(set, list, optional));

MESSAGE(Policy::Setting,
    FIELD(name, text, unless_cancelled),
    FIELD(value, setting, unless_cancelled));

MESSAGE(Target,
    FIELD(target_id, text, always),
    FIELD(valid_from, date, always),
    FIELD(rate, text, unless_cancelled),
    FIELD(scope, object, unless_cancelled),
    FIELD(value_bp, quantity, unless_cancelled));

MESSAGE(Plan,
    FIELD(plan_id, text, always),
    FIELD(valid_from, date, always),
    FIELD(class_dimension, text, unless_cancelled),
    FIELD(class_value, text, unless_cancelled),
    FIELD(visits_per_month, quantity, unless_cancelled));

MESSAGE(Allocation,
    FIELD(sku_id, text, always),
    FIELD(region_id, text, always),
    FIELD(valid_from, date, always),
    FIELD(valid_to, date, unless_cancelled),
    FIELD(quantity, quantity, unless_cancelled),
    FIELD(rationed, boolean, unless_cancelled));

MESSAGE(Calendar,
    FIELD(day, date, always),
    FIELD(kind, choice, unless_cancelled));

// ---- commands and marks ---------------------------------------------------------------------------------------------

MESSAGE(Command,
    FIELD(command_id, text, always),
    FIELD(author, text, unless_cancelled),
    FIELD(verb, choice, unless_cancelled),
    FIELD(alert_id, text, optional),
    FIELD(assignee, text, optional),
    FIELD(true_alarm, boolean, optional),
    FIELD(text, text, optional),
    FIELD(silence, object, optional),
    FIELD(held, text, optional),
    FIELD(retried, list, optional));

MESSAGE(Command::Silence,
    FIELD(silence_id, text, unless_cancelled),
    FIELD(matchers, list, optional),
    FIELD(starts_at, time, unless_cancelled),
    FIELD(ends_at, time, unless_cancelled));

MESSAGE(Command::Matcher,
    FIELD(field, text, unless_cancelled),
    FIELD(value, text, unless_cancelled));

MESSAGE(Command::Retried,
    FIELD(position, text, unless_cancelled));

MESSAGE(Mark,
    FIELD(complete_through, time, always),
    FIELD(live, boolean, optional));
// clang-format on

#undef MESSAGE
#undef FIELD

// Calls `visit(field)` for each field of a message, in the order of the table.
template <class Message, class Visit>
void for_each_field(Visit visit) {
  static_assert(std::tuple_size_v<decltype(kFields<Message>)> > 0, "a message without a table");
  std::apply([&](const auto&... field) { (visit(field), ...); }, kFields<Message>);
}

constexpr bool is_object(Holds held) {
  return held == Holds::object || held == Holds::payload;
}
constexpr bool is_list(Holds held) {
  return held == Holds::list || held == Holds::sku_list || held == Holds::class_list;
}

}  // namespace fiverate
