#include "schemas/import_position.h"

#include <charconv>

#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kEnd = "/end";
constexpr std::size_t kIdDigits = 16;

}  // namespace

std::string to_text(const ImportPosition& position) {
  return fmt::format("{:016x}/{}{}", position.import, position.number, position.is_end ? kEnd : "");
}

std::optional<ImportPosition> parse_import_position(std::string_view text) {
  ImportPosition position;
  position.is_end = text.ends_with(kEnd);
  if (position.is_end) text.remove_suffix(kEnd.size());
  if (text.size() < kIdDigits + 2 || text[kIdDigits] != '/') return std::nullopt;
  const auto read = [](std::string_view part, auto& value, int base) {
    const auto* const end = part.data() + part.size();
    return std::from_chars(part.data(), end, value, base) == std::from_chars_result{end, std::errc{}};
  };
  if (!read(text.substr(0, kIdDigits), position.import, 16)) return std::nullopt;
  if (!read(text.substr(kIdDigits + 1), position.number, 10) || position.number < 1) return std::nullopt;
  return position;
}

}  // namespace fiverate
