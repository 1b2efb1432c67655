#include "processors/stream/sequence_gap.h"

#include <charconv>

#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kNote = " missing=";
constexpr std::size_t kNoteBytesMax = 3'900;

// The number at the beginning of `text`, which is removed together with the character behind it. -1: there is none.
std::int64_t pop_number(std::string_view& text) {
  std::int64_t number = -1;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
  return problem == std::errc{} ? number : -1;
}

}  // namespace

std::string sentence_part(const std::vector<MissingRange>& missing) {
  std::string text;
  for (const auto& [sender, from, to] : missing)
    text += fmt::format("{}{} offsets {} to {}", text.empty() ? "" : ", ", sender, from, to);
  return text;
}

std::string missing_note(const std::vector<MissingRange>& missing) {
  std::string text;
  for (const auto& [sender, from, to] : missing) {
    const auto range = fmt::format("{}{}:{}-{}", text.empty() ? kNote : ",", sender, from, to);
    if (text.size() + range.size() > kNoteBytesMax) break;
    text += range;
  }
  return text;
}

std::string_view missing_note_in(std::string_view metadata) {
  return metadata.substr(std::min(metadata.find(kNote), metadata.size()));
}

std::vector<MissingRange> parse_missing_note(std::string_view metadata) {
  std::vector<MissingRange> missing;
  auto text = missing_note_in(metadata);
  text.remove_prefix(std::min(kNote.size(), text.size()));
  while (!text.empty()) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) break;
    MissingRange range{std::string(text.substr(0, colon))};
    text.remove_prefix(colon + 1);
    range.from = pop_number(text);
    range.to = pop_number(text);
    if (range.from >= 0 && range.to >= 0) missing.push_back(std::move(range));
  }
  return missing;
}

}  // namespace fiverate
