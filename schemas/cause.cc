#include "schemas/cause.h"

#include <xxhash.h>

#include <charconv>

#include "schemas/format.h"

namespace fiverate {
namespace {

template <typename Integer>
std::optional<Integer> parse_integer(std::string_view text, int base = 10) {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string sender_name(std::string_view stage_or_topic, std::int32_t partition) {
  return fmt::format("{}/{}", stage_or_topic, partition);
}

std::string to_text(CausePosition position) {
  return position.offset < 0 ? "-" : fmt::format("{}/{}", position.offset, position.index);
}

std::optional<CausePosition> parse_position(std::string_view text) {
  if (text == "-") return CausePosition{};
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto offset = parse_integer<std::int64_t>(text.substr(0, slash));
  const auto index = parse_integer<std::int32_t>(text.substr(slash + 1));
  if (!offset || !index || *offset < 0 || *index < 0) return std::nullopt;
  return CausePosition{*offset, *index};
}

std::string to_text(const Cause& cause) {
  return cause.sender + "/" + to_text(cause.position);
}

std::optional<Cause> parse_cause(std::string_view text) {
  const auto last = text.rfind('/');
  if (last == std::string_view::npos || last == 0) return std::nullopt;
  const auto before_last = text.rfind('/', last - 1);
  if (before_last == std::string_view::npos) return std::nullopt;
  const auto position = parse_position(text.substr(before_last + 1));
  if (!position) return std::nullopt;
  return Cause{std::string(text.substr(0, before_last)), *position};
}

std::string chain_text(std::uint64_t chain) {
  return fmt::format("{:016x}", chain);
}

std::optional<std::uint64_t> parse_chain(std::string_view text) {
  return parse_integer<std::uint64_t>(text, 16);
}

std::uint64_t chained(std::uint64_t chain, std::string_view key, std::string_view value) {
  const auto with_key = XXH3_64bits_withSeed(key.data(), key.size(), chain);
  return XXH3_64bits_withSeed(value.data(), value.size(), with_key);
}

}  // namespace fiverate
