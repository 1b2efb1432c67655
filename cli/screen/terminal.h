// What a terminal shows of a text: its characters one by one, the columns they take, which of them must not reach it.
// The inside of console.h: only console.cc, picture.cc and progress.cc include this.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fiverate {

bool is_capable_terminal(int descriptor);  // one that knows colours and lines drawn again

// Takes one character from the left; a byte that begins none is U+FFFD.
char32_t take_character(std::string_view& rest);
void append_utf8(std::string& out, char32_t character);

// Would move the cursor, change colours or turn the direction of writing: data must not do that to a terminal.
bool is_control(char32_t character);
// Control characters as they are written in JSON.
std::string visible(std::string_view raw);
// As much of the beginning as has room. Colours (ESC [ ... m) take none, and end where they ended.
std::string cut_to(std::string_view text, std::size_t columns);

}  // namespace fiverate
