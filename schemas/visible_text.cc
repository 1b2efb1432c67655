#include "schemas/visible_text.h"

#include <cstdint>

#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

void append_visible(std::string& out, char32_t character) {
  if (character == U'\n') {
    out += "\\n";
  } else if (character == U'\t') {
    out += "\\t";
  } else if (is_control(character)) {
    out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(character));
  } else {
    append_utf8(out, character);
  }
}

}  // namespace

char32_t next_character(std::string_view& rest) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  const unsigned lead = byte(0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  if (length == 1) {
    rest.remove_prefix(1);
    return lead;
  }
  char32_t character = length == 2 ? lead & 0x1FU : length == 3 ? lead & 0x0FU : lead & 0x07U;
  bool good = length != 0 && rest.size() >= length;
  for (std::size_t i = 1; good && i < length; ++i) {
    good = (byte(i) & 0xC0U) == 0x80U;
    character = character << 6U | (byte(i) & 0x3FU);
  }
  good = good && !(length == 3 && (character < 0x800 || (character >= 0xD800 && character <= 0xDFFF))) &&
         !(length == 4 && (character < 0x10000 || character > 0x10FFFF));
  rest.remove_prefix(good ? length : 1);
  return good ? character : kReplacement;
}

void append_utf8(std::string& out, char32_t character) {
  const auto low_bits = [&](unsigned shift) { out += static_cast<char>(0x80U | (character >> shift & 0x3FU)); };
  if (character < 0x80) {
    out += static_cast<char>(character);
  } else if (character < 0x800) {
    out += static_cast<char>(0xC0U | character >> 6U);
    low_bits(0);
  } else if (character < 0x10000) {
    out += static_cast<char>(0xE0U | character >> 12U);
    low_bits(6), low_bits(0);
  } else {
    out += static_cast<char>(0xF0U | character >> 18U);
    low_bits(12), low_bits(6), low_bits(0);
  }
}

bool is_control(char32_t character) {
  return character < 0x20 || (character >= 0x7F && character < 0xA0) || character == 0x061C || character == 0x200E ||
         character == 0x200F || (character >= 0x2028 && character <= 0x202E) ||
         (character >= 0x2066 && character <= 0x2069);
}

std::string visible(std::string_view raw) {
  std::string out;
  while (!raw.empty()) append_visible(out, next_character(raw));
  return out;
}

std::string visible_lines(std::string_view raw) {
  std::string out;
  while (!raw.empty()) {
    const auto character = next_character(raw);
    if (character == U'\n') {
      out += '\n';
    } else {
      append_visible(out, character);
    }
  }
  return out;
}

std::string in_quotes(std::string_view raw) {
  std::string out = "\"";
  while (!raw.empty()) {
    const auto character = next_character(raw);
    if (character == U'"' || character == U'\\') out += '\\';
    append_visible(out, character);
  }
  return out + "\"";
}

}  // namespace fiverate
