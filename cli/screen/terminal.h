// Characters of a text on a terminal: their width in columns, and control characters that must not reach the terminal.
// Private to cli/screen: console.cc, live_screen.cc and progress.cc include this.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fiverate {

bool is_capable_terminal(int descriptor);  // a terminal that supports colours and redrawing a line

// Removes one character from the left and returns it. A byte that is not valid UTF-8 is U+FFFD.
char32_t next_character(std::string_view& rest);
void append_utf8(std::string& out, char32_t character);

// True for characters that move the cursor, change colours or reverse the direction of text. Data must not do that.
bool is_control(char32_t character);
// The text with its control characters escaped as in JSON.
std::string visible(std::string_view raw);
// The beginning of the text, as far as it fits into `columns`. Colour codes (ESC [ ... m) are kept and have no width.
std::string truncate_to(std::string_view text, std::size_t columns);

}  // namespace fiverate
