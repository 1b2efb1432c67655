// The inside of decode(): JSON -> Event -> checks, and what turned out to be wrong on the way. Only decode.cc,
// event_json.cc and event_check.cc include this; everyone else wants decode.h.
//
// An Event cannot say "there is a field order_id, but it is a number". Such a field is bad_value, not missing_field,
// and a missing_field elsewhere still comes first. So reading and checking share one Findings: the reader notes what it
// could not read, the checker then does not call that missing, and the gravest reason wins at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "event.pb.h"
#include "schemas/format.h"
#include "schemas/reasons.h"

namespace fiverate {

inline constexpr std::int64_t kTimestampSecondsMax = 253'402'300'799;  // 9999-12-31T23:59:59Z

// Where in the record: "order.lines[2]". A chain on the stack, turned into text only for a finding that is kept.
struct FieldPath {
  static constexpr int kNoIndex = -1;

  const FieldPath* above = nullptr;  // null: the top of the record, which has no name
  std::string_view name;
  int index = kNoIndex;

  [[nodiscard]] std::string text() const;
};

// What is wrong with one record. Of the gravest reason the first finding stays (Reason is declared in that order).
class Findings {
 public:
  // `field` may be empty: the message at `path` itself.
  template <class... Args>
  void add(Reason reason, const FieldPath& path, std::string_view field, fmt::format_string<Args...> what,
           Args&&... args) {
    if (reason_ && *reason_ <= reason) return;  // nothing is formatted for the thousandth bad line
    reason_ = reason;
    detail_ = where(path, field) + fmt::format(what, std::forward<Args>(args)...);
  }

  // `field` of `message` is there, but could not be read. An empty field: the message itself.
  void note_unreadable(const void* message, std::string_view field) { unreadable_.emplace(message, field); }
  [[nodiscard]] bool is_unreadable(const void* message, std::string_view field) const {
    return !unreadable_.empty() && unreadable_.contains({message, field});
  }

  [[nodiscard]] bool empty() const { return !reason_.has_value(); }
  [[nodiscard]] std::optional<Rejected> verdict(const Event& event) &&;

 private:
  static std::string where(const FieldPath& path, std::string_view field);

  std::optional<Reason> reason_;
  std::string detail_;
  std::set<std::pair<const void*, std::string_view>> unreadable_;  // names are literals; bounded by the record's size
};

// A text of the record for a detail: quoted, long ones cut between two characters.
std::string quoted(std::string_view text);

// Reads one JSON object into `event` (which is empty). False: not JSON, not an object, or nested too deeply; `detail`
// says where. What is wrong with single fields goes to `findings`; integers outside int64 are clamped, they stay out of
// range.
bool read_json(std::string_view text, Event& event, Findings& findings, std::string& detail);

// One JSON value of any kind, of any depth.
bool is_json(std::string_view text);

// The checks behind the public check_fields().
void check_fields(const Event& event, Findings& findings);

}  // namespace fiverate
