// A picture that stays in place on a terminal. Each one is drawn over the last, line by line, so that nothing flickers;
// what stood on the terminal before is scrolled up, not wiped. Lines and columns that have no room are left out.
//
//   Picture picture(out);
//   auto page = picture.page();          // a TextOutput of the terminal's size
//   page.write("...\n");
//   picture.show(page);
#pragma once

#include "cli/screen/console.h"

namespace fiverate {

class Picture {
 public:
  explicit Picture(TextOutput& out) : out_(out) {}
  ~Picture();  // leaves the last picture, with the cursor below
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;

  [[nodiscard]] TextOutput page() const { return {out_.size(), out_.has_colours()}; }
  void show(const TextOutput& page);
  // The terminal has another size than the picture on it.
  [[nodiscard]] bool outgrown() const { return shown_ && !(out_.size() == size_); }

 private:
  TextOutput& out_;
  TextOutput::Size size_;
  bool shown_ = false;
};

}  // namespace fiverate
