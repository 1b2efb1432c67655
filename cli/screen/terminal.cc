#include "cli/screen/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iterator>

#include "cli/screen/console.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

template <std::size_t Size>
bool within(const std::array<Range, Size>& ranges, char32_t character) {
  const auto next = std::upper_bound(ranges.begin(), ranges.end(), character,
                                     [](char32_t each, const Range& range) { return each < range.first; });
  return next != ranges.begin() && character <= std::prev(next)->last;
}

// The blocks of Unicode's EastAsianWidth.txt (W and F), and combining marks (Mn, Cf) that occur in names and notes.
// wcwidth() is not used because it depends on the locale, which is often "C" on servers.
constexpr std::array<Range, 21> kWide{{{0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},
                                       {0x2E80, 0x303E},   {0x3041, 0x3247},   {0x3250, 0x4DBF},   {0x4E00, 0xA4CF},
                                       {0xA960, 0xA97C},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},
                                       {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x16FE0, 0x18DFF},
                                       {0x1B000, 0x1B2FF}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF},
                                       {0x20000, 0x3FFFD}}};
constexpr std::array<Range, 15> kZeroWidth{{{0x0300, 0x036F},
                                            {0x0483, 0x0489},
                                            {0x0591, 0x05BD},
                                            {0x064B, 0x065F},
                                            {0x1AB0, 0x1AFF},
                                            {0x1DC0, 0x1DFF},
                                            {0x200B, 0x200F},
                                            {0x202A, 0x202E},
                                            {0x2060, 0x206F},
                                            {0x20D0, 0x20FF},
                                            {0x302A, 0x302D},
                                            {0x3099, 0x309A},
                                            {0xFE00, 0xFE0F},
                                            {0xFEFF, 0xFEFF},
                                            {0xE0100, 0xE01EF}}};

std::size_t width_of(char32_t character) {
  if (character < 0x300) return 1;
  if (within(kZeroWidth, character)) return 0;
  return within(kWide, character) ? 2 : 1;
}

// Removes a colour code (ESC [ ... m) from the left and returns it, if there is one. Data has none after visible().
std::string_view next_colour(std::string_view& rest) {
  const auto end = rest.starts_with("\x1b[") ? rest.find('m') : std::string_view::npos;
  if (end == std::string_view::npos) return {};
  const auto colour = rest.substr(0, end + 1);
  rest.remove_prefix(colour.size());
  return colour;
}

}  // namespace

bool is_capable_terminal(int descriptor) {
  const char* kind = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && (kind == nullptr || std::string_view(kind) != "dumb");
}

std::string truncate_to(std::string_view text, std::size_t columns) {
  std::string out;
  for (std::size_t used = 0; !text.empty();) {
    if (const auto colour = next_colour(text); !colour.empty()) {
      out += colour;
      continue;
    }
    const char32_t character = next_character(text);
    used += width_of(character);
    if (used <= columns) append_utf8(out, character);
  }
  return out;
}

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  while (!utf8.empty()) {
    if (next_colour(utf8).empty()) width += width_of(next_character(utf8));
  }
  return width;
}

}  // namespace fiverate
