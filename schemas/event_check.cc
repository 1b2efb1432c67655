#include "schemas/event_check.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "schemas/decode.h"
#include "schemas/event_fields.h"

namespace fiverate {
namespace {

constexpr std::int64_t kQuantityMax = 1'000'000'000;
constexpr std::int64_t kRevisionMax = std::int64_t{1} << 53;  // up to here every JSON reader is exact
constexpr std::int32_t kNanosMax = 999'999'999;

// The name that two items have; empty if there is none. Empty names (of a cancellation) are not compared.
template <class Items, class NameOf>
std::string_view repeated_name(const Items& items, NameOf name_of) {
  constexpr int kFewItems = 16;  // up to here comparing all pairs is faster than sorting
  if (items.size() <= kFewItems) {
    for (auto item = items.begin(); item != items.end(); ++item) {
      const std::string_view name = name_of(*item);
      if (!name.empty() &&
          std::any_of(items.begin(), item, [&](const auto& earlier) { return name_of(earlier) == name; }))
        return name;
    }
    return {};
  }
  std::vector<std::string_view> names;
  names.reserve(static_cast<std::size_t>(items.size()));
  for (const auto& item : items) names.emplace_back(name_of(item));
  std::ranges::sort(names);
  const auto found = std::ranges::adjacent_find(names, [](auto a, auto b) { return a == b && !a.empty(); });
  return found == names.end() ? std::string_view() : *found;
}

class Checker {
 public:
  Checker(const Event& event, Findings& findings)
      : cancelled_(event.cancelled()), is_mark_(event.has_mark()), findings_(&findings) {}

  template <class Message>
  void check_message(const Message& message, const FieldPath& path) {
    for_each_field<Message>([&](const auto& field) {
      if (field.has(message)) {
        check_value(field, message, path);
      } else if (is_required(field.need) && !findings_->is_unreadable(&message, field.name)) {
        findings_->add(Reason::missing_field, path, field.name, "missing");
      }
    });
  }

 private:
  [[nodiscard]] bool is_required(Need need) const {
    switch (need) {
      case Need::always:
        return true;
      case Need::always_or_mark:
        return !is_mark_;
      case Need::unless_cancelled:
        return !cancelled_;
      case Need::optional:
        return false;
    }
    return false;
  }

  template <class Field, class Message>
  void check_value(const Field& field, const Message& message, const FieldPath& path) {
    const auto& value = field.get(message);
    const auto bad = [&]<class... Args>(fmt::format_string<Args...> what, Args&&... args) {
      findings_->add(Reason::bad_value, path, field.name, what, std::forward<Args>(args)...);
    };
    if constexpr (Field::kHolds == Holds::date) {
      if (!parse_date(value)) bad("{} is not a date in 1970..9999", quoted_value(value));
    } else if constexpr (Field::kHolds == Holds::time) {
      if (value.seconds() < 0 || value.seconds() > kTimestampSecondsMax || value.nanos() < 0 ||
          value.nanos() > kNanosMax)
        bad("{} s {} ns is not a time in 1970..9999", value.seconds(), value.nanos());
    } else if constexpr (Field::kHolds == Holds::quantity) {
      if (value < 0) findings_->add(Reason::negative_quantity, path, field.name, "{}", value);
      if (value > kQuantityMax) bad("{} is not in 0..{}", value, kQuantityMax);
    } else if constexpr (Field::kHolds == Holds::revision) {
      if (value < 1 || value > kRevisionMax) bad("{} is not in 1..{}", value, kRevisionMax);
    } else if constexpr (Field::kHolds == Holds::choice) {
      using Enum = std::decay_t<decltype(value)>;
      if (google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value) == nullptr)
        bad("{} is not a known value", static_cast<int>(value));
    } else if constexpr (is_object(Field::kHolds)) {
      // What is no object has been reported by the reader.
      if (!findings_->is_unreadable(&value, {})) check_message(value, {&path, field.name});
    } else if constexpr (is_list(Field::kHolds)) {
      for (int i = 0; i < value.size(); ++i) check_message(value.Get(i), {&path, field.name, i});
      check_repeated(field, value, path);
    }
  }

  template <class Field, class Items>
  void check_repeated(const Field& field, const Items& items, const FieldPath& path) {
    std::string_view name;
    if constexpr (Field::kHolds == Holds::sku_list)
      name = repeated_name(items, [](const auto& item) -> std::string_view { return item.sku_id(); });
    if constexpr (Field::kHolds == Holds::class_list)
      name = repeated_name(items, [](const auto& item) -> std::string_view { return item.dimension(); });
    constexpr Reason kReason = Field::kHolds == Holds::sku_list ? Reason::duplicate_sku : Reason::bad_value;
    if (!name.empty()) findings_->add(kReason, path, field.name, "{} is there twice", quoted_value(name));
  }

  bool cancelled_;
  bool is_mark_;
  Findings* findings_;
};

}  // namespace

void check_fields(const Event& event, Findings& findings) {
  if (event.payload_case() == Event::PAYLOAD_NOT_SET) {
    findings.add(Reason::bad_payload, {}, {}, "no payload");
    return;  // no later finding is graver
  }
  Checker(event, findings).check_message(event, {});
}

std::optional<Rejected> check_fields(const Event& event) {
  Findings findings;
  check_fields(event, findings);
  return std::move(findings).rejection(event);
}

}  // namespace fiverate
