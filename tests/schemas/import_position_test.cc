// The header of imported records.
#include "schemas/import_position.h"

#include <gtest/gtest.h>

namespace fiverate {
namespace {

TEST(ImportPosition, TextAndBack) {
  for (const auto& position : {ImportPosition{0x3f2a9c1b7d5e8f00, 17, false}, ImportPosition{1, 9'000'000'000, true},
                               ImportPosition{~0ULL, 1, true}}) {
    EXPECT_EQ(parse_import_position(to_text(position)), position) << to_text(position);
  }
  EXPECT_EQ(to_text({0x3f2a, 17, false}), "0000000000003f2a/17");
  EXPECT_EQ(to_text({0x3f2a, 18, true}), "0000000000003f2a/18/end");
}

TEST(ImportPosition, OtherTextsAreNone) {
  for (const auto* text :
       {"", "/end", "0000000000003f2a", "0000000000003f2a/", "0000000000003f2a/0", "0000000000003f2a/-1",
        "0000000000003f2a/x", "3f2a/17", "g000000000003f2a/17", "0000000000003f2a/17/", "0000000000003f2a/17/ende",
        "0000000000003f2a/99999999999999999999"}) {
    EXPECT_FALSE(parse_import_position(text)) << text;
  }
}

}  // namespace
}  // namespace fiverate
