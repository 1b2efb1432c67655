#include "processors/stream/key_parts.h"

#include <gtest/gtest.h>

namespace fiverate {
namespace {

using namespace std::string_literals;

TEST(KeyParts, AreFoundAgainWhateverTheyHold) {
  for (const auto& parts : std::vector<std::vector<std::string>>{
           {"a", "b", "c"}, {"", "", ""}, {"a\0b"s, "", "\0"s}, {"\0\0"s, "\1"s, "\0\1"s}, {"B\0K"s, "", "d"}}) {
    EXPECT_EQ(split_parts(joined_parts({parts[0], parts[1], parts[2]})), parts);
  }
  EXPECT_NE(joined_parts({"B\0K"s, "x"}), joined_parts({"B", "K\0x"s}));
}

TEST(KeyParts, AreInOrderOfTheirTexts) {
  EXPECT_LT(joined_parts({"a", "z"}), joined_parts({"a\0"s, "a"}));
  EXPECT_LT(joined_parts({"a\0"s, "z"}), joined_parts({"a\1"s, "a"}));
  EXPECT_LT(joined_parts({"a", "z"}), joined_parts({"ab", "a"}));
}

}  // namespace
}  // namespace fiverate
