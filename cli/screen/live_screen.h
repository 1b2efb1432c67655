// A screen that is redrawn in place on a terminal. Each page is drawn over the last one, line by line, so that nothing
// flickers. Earlier contents of the terminal are scrolled up. Lines and columns beyond the terminal's size are dropped.
//
//   LiveScreen screen(out);
//   auto page = screen.page();          // a TextOutput of the terminal's size
//   page.write("...\n");
//   screen.show(page);
#pragma once

#include "cli/screen/console.h"

namespace fiverate {

class LiveScreen {
 public:
  explicit LiveScreen(TextOutput& out) : out_(out) {}
  ~LiveScreen();  // leaves the last page on the terminal, with the cursor below
  LiveScreen(const LiveScreen&) = delete;
  LiveScreen& operator=(const LiveScreen&) = delete;

  [[nodiscard]] TextOutput page() const { return {out_.size(), out_.has_colours()}; }
  void show(const TextOutput& page);
  // True if the terminal has been resized since the last page.
  [[nodiscard]] bool is_resized() const { return shown_ && !(out_.size() == size_); }

 private:
  TextOutput& out_;
  TextOutput::Size size_;
  bool shown_ = false;
};

}  // namespace fiverate
