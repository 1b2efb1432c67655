#include "schemas/findings.h"

namespace fiverate {

std::string FieldPath::text() const {
  std::string text = above == nullptr ? std::string() : above->text();
  if (!text.empty() && !name.empty()) text += '.';
  text += name;
  if (index != kNoIndex) text += fmt::format("[{}]", index);
  return text;
}

std::string Findings::where(const FieldPath& path, std::string_view field) {
  std::string text = FieldPath{&path, field}.text();
  if (!text.empty()) text += ": ";
  return text;
}

std::optional<Rejected> Findings::rejection(const Event& event) && {
  if (!reason_) return std::nullopt;
  return Rejected{*reason_, std::move(detail_), event.event_id()};
}

std::string quoted_value(std::string_view text) {
  constexpr std::size_t kShownMax = 60;
  if (text.size() <= kShownMax) return fmt::format("'{}'", text);
  std::size_t end = kShownMax;
  // Bytes 10xxxxxx continue a character of UTF-8.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return fmt::format("'{}...'", text.substr(0, end));
}

}  // namespace fiverate
