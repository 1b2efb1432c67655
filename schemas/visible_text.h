// Text from outside (events, commands, configuration, broker) on terminals and in log lines. visible() is the one function
// that escapes it: such text must not move the cursor, change colours, begin a line of its own or reverse its direction.
#pragma once

#include <string>
#include <string_view>

namespace fiverate {

// Removes one character from the left and returns it. A byte that is not valid UTF-8 is U+FFFD.
char32_t next_character(std::string_view& rest);
void append_utf8(std::string& out, char32_t character);

// True for characters that control a terminal or the direction of text: C0, DEL, C1, line and paragraph separators, and all
// characters with Unicode's property Bidi_Control.
bool is_control(char32_t character);

// The text with its control characters escaped as in JSON (\n, \t, \u001b), on one line. Invalid UTF-8 becomes U+FFFD.
std::string visible(std::string_view raw);
// The same for several lines: '\n' stays. JSON text stays JSON text of the same value.
std::string visible_lines(std::string_view raw);
// The visible text in double quotes, as a string of JSON and of TOML.
std::string in_quotes(std::string_view raw);

}  // namespace fiverate
