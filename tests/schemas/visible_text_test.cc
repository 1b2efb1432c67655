#include "schemas/visible_text.h"

#include <gtest/gtest.h>

namespace fiverate {
namespace {

TEST(VisibleText, ControlCharactersAreEscaped) {
  EXPECT_EQ(visible("\x1b[2J"), "\\u001b[2J");
  EXPECT_EQ(visible("a\nb\tc\rd"), "a\\nb\\tc\\u000dd");
  EXPECT_EQ(visible(std::string_view("\0\x7f", 2)), "\\u0000\\u007f");
  EXPECT_EQ(visible("\xc2\x85\xc2\x9b"), "\\u0085\\u009b") << "C1";
}

TEST(VisibleText, CharactersThatReverseOrEndALineAreEscaped) {
  for (const char32_t one : {0x061C, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202E, 0x2066, 0x2069}) {
    std::string text;
    append_utf8(text, one);
    EXPECT_EQ(visible(text).substr(0, 2), "\\u") << static_cast<unsigned>(one);
  }
}

TEST(VisibleText, InvalidUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(visible("a\xff\xe4\xb8z"), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
  EXPECT_EQ(visible("\xc0\x9b"), "\xef\xbf\xbd\xef\xbf\xbd") << "an overlong escape";
}

TEST(VisibleText, OrdinaryTextStays) {
  EXPECT_EQ(visible("中华（软）é 🚬 \"x\" \\"), "中华（软）é 🚬 \"x\" \\");
  EXPECT_EQ(visible(visible("\x1b\n")), visible("\x1b\n"));
}

TEST(VisibleText, LinesKeepTheirEnds) {
  EXPECT_EQ(visible_lines("{\"a\":\"\x7f\"}\n{}\n"), "{\"a\":\"\\u007f\"}\n{}\n");
}

TEST(VisibleText, Quotes) {
  EXPECT_EQ(in_quotes("a\"b\\c\n\xc2\x9b"), R"("a\"b\\c\n\u009b")");
}

}  // namespace
}  // namespace fiverate
