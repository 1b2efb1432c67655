// The position of a record in the topic `quarantine`, as a command names it: "3/1234".
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fiverate {

struct QuarantinePosition {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  friend auto operator<=>(const QuarantinePosition&, const QuarantinePosition&) = default;
};

inline std::string to_text(const QuarantinePosition& position) {
  return std::to_string(position.partition) + "/" + std::to_string(position.offset);
}

// Nothing for any other text.
inline std::optional<QuarantinePosition> parse_quarantine_position(std::string_view text) {
  QuarantinePosition position;
  const auto* const end = text.data() + text.size();
  const auto partition = std::from_chars(text.data(), end, position.partition);
  if (partition.ec != std::errc{} || partition.ptr == end || *partition.ptr != '/') return std::nullopt;
  const auto offset = std::from_chars(partition.ptr + 1, end, position.offset);
  if (offset.ec != std::errc{} || offset.ptr != end || position.partition < 0 || position.offset < 0)
    return std::nullopt;
  return position;
}

}  // namespace fiverate
