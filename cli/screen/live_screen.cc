#include "cli/screen/live_screen.h"

#include "cli/screen/terminal.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kHideCursor = "\x1b[?25l";
constexpr std::string_view kShowCursor = "\x1b[?25h";
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kClearLine = "\x1b[K";   // from the cursor to the right
constexpr std::string_view kClearBelow = "\x1b[J";  // from the cursor to the end

}  // namespace

LiveScreen::~LiveScreen() {
  if (!shown_) return;
  out_.write(fmt::format("{}\n", kShowCursor));
  out_.flush();
}

void LiveScreen::show(const TextOutput& page) {
  const auto size = page.size();
  if (!shown_) out_.write(std::string(size.lines, '\n'));
  out_.write(fmt::format("{}{}", kHideCursor, kHome));
  std::string_view rest = page.text();
  std::size_t lines = 0;
  for (; !rest.empty() && lines < size.lines; ++lines) {
    const auto end = rest.find('\n');
    const auto line = truncate_to(rest.substr(0, end), size.columns);
    // After a full line the cursor is on the last character, so clearing to the right would delete it.
    out_.write(
        fmt::format("{}{}{}", lines == 0 ? "" : "\n", line, display_width(line) < size.columns ? kClearLine : ""));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  if (lines < size.lines) out_.write(fmt::format("\n{}", kClearBelow));
  out_.flush();
  size_ = size;
  shown_ = true;
}

}  // namespace fiverate
