// The reasons for which a record, or a single line of one, is rejected. The list is closed: a new reason changes the contract.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fiverate {

enum class Reason : std::uint8_t {
  malformed,    // not decodable, not an object
  bad_payload,  // not exactly one known payload, or one that belongs to another topic
  missing_field,
  bad_value,  // type, time, enum, revision < 1, quantity out of range, a dimension twice
  negative_quantity,
  duplicate_sku,  // a SKU occurs twice in a document
  unknown_region,
  unknown_outlet,
  unknown_sku,
  reference_conflict,  // changes the parent or level of a region or the brand of a SKU
  future,
  late,
  event_id_conflict,
  revision_conflict,
  price_out_of_range,  // single lines of accepted events
  count_implausible,   // single lines of accepted events
};

inline constexpr std::array<std::string_view, 16> kReasonNames{
    "malformed",        "bad_payload",    "missing_field",     "bad_value",         "negative_quantity",
    "duplicate_sku",    "unknown_region", "unknown_outlet",    "unknown_sku",       "reference_conflict",
    "future",           "late",           "event_id_conflict", "revision_conflict", "price_out_of_range",
    "count_implausible"};

constexpr std::string_view name_of(Reason reason) {
  return kReasonNames[static_cast<std::size_t>(reason)];
}

constexpr std::optional<Reason> reason_named(std::string_view name) {
  for (std::size_t i = 0; i < kReasonNames.size(); ++i) {
    if (kReasonNames[i] == name) return static_cast<Reason>(i);
  }
  return std::nullopt;
}

// The gravest fault of one record.
struct Rejected {
  Reason reason;
  std::string detail;    // the field and its value, for a person
  std::string event_id;  // empty if it could not be read
};

}  // namespace fiverate
