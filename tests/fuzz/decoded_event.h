// The guarantees of decode() for any bytes.
#pragma once

#include <string>
#include <string_view>

#include "schemas/check.h"
#include "schemas/decode.h"
#include "tests/fuzz/fuzz.h"

namespace fiverate::fuzz {

// `bytes` must decode to the event whose encoding is `expected`.
inline void check_same(std::string_view bytes, const std::string& expected) {
  Event again;
  const auto rejected = decode(bytes, again);
  CHECK(!rejected, rejected->detail);
  CHECK(again.SerializeAsString() == expected);
}

inline void check_decoded(std::string_view bytes) {
  Event event;
  const auto rejected = decode(bytes, event);
  Event reused;
  static_cast<void>(decode(R"({"event_id":"before","source":"erp"})", reused));
  const auto rejected_again = decode(bytes, reused);
  CHECK(rejected.has_value() == rejected_again.has_value());
  CHECK(event.SerializeAsString() == reused.SerializeAsString());  // a reused event has no fields of the one before
  if (rejected) {
    // decode() finds these reasons only; later steps find the others.
    CHECK(rejected->reason <= Reason::duplicate_sku, name_of(rejected->reason));
    CHECK(!rejected->detail.empty());
    CHECK(rejected_again->reason == rejected->reason && rejected_again->detail == rejected->detail);
    static_cast<void>(to_json(event));  // `quarantine show` prints rejected events too
    return;
  }
  CHECK(!check_fields(event));
  const auto encoded = event.SerializeAsString();
  check_same(encoded, encoded);
  check_same(to_json(event), encoded);
  check_same(std::string("\0\0\0\0\7\0", 6) + encoded, encoded);
  check_same(std::string("\0\0\0\0\7\2\0", 7) + encoded, encoded);
}

}  // namespace fiverate::fuzz
