// What reading and checking one record finds wrong with it. Included by decode.cc, event_json.cc and event_check.cc only;
// other code includes decode.h.
//
// An Event cannot hold "the field order_id is present, but it is a number". Such a field is bad_value, not missing_field.
// Therefore the reader and the checker share one Findings: the checker does not report a field as missing that the reader
// could not read.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "event.pb.h"
#include "schemas/format.h"
#include "schemas/reasons.h"

namespace fiverate {

// A position in the record, such as "order.lines[2]": a chain on the stack that becomes text only for a finding that is kept.
struct FieldPath {
  static constexpr int kNoIndex = -1;

  const FieldPath* above = nullptr;  // null: the top of the record, which has no name
  std::string_view name;
  int index = kNoIndex;

  [[nodiscard]] std::string text() const;
};

// Of all findings the first one of the gravest reason is kept. Reason declares the gravest reasons first.
class Findings {
 public:
  // An empty `field` stands for the message at `path` itself.
  template <class... Args>
  void add(Reason reason, const FieldPath& path, std::string_view field, fmt::format_string<Args...> what,
           Args&&... args) {
    if (reason_ && *reason_ <= reason) return;  // no text is formatted for findings that are not kept
    reason_ = reason;
    detail_ = where(path, field) + fmt::format(what, std::forward<Args>(args)...);
  }

  // Notes that `field` of `message` is present but unreadable. An empty `field` stands for the message itself.
  void note_unreadable(const void* message, std::string_view field) { unreadable_.emplace(message, field); }
  [[nodiscard]] bool is_unreadable(const void* message, std::string_view field) const {
    return !unreadable_.empty() && unreadable_.contains({message, field});
  }

  // Nothing if there are no findings.
  [[nodiscard]] std::optional<Rejected> rejection(const Event& event) &&;

 private:
  static std::string where(const FieldPath& path, std::string_view field);

  std::optional<Reason> reason_;
  std::string detail_;
  // Names point into the table of fields. The size of the record bounds the set.
  std::set<std::pair<const void*, std::string_view>> unreadable_;
};

// A text of the record in quotes, for a detail. A long text is truncated between two characters.
std::string quoted_value(std::string_view text);

}  // namespace fiverate
