// The width in columns of a text on a terminal. schemas/visible_text.h escapes characters that must not reach it.
// Private to cli/screen: console.cc, live_screen.cc and progress.cc include this.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fiverate {

bool is_capable_terminal(int descriptor);  // a terminal that supports colours and redrawing a line

// The beginning of the text, as far as it fits into `columns`. Colour codes (ESC [ ... m) are kept and have no width.
std::string truncate_to(std::string_view text, std::size_t columns);

}  // namespace fiverate
