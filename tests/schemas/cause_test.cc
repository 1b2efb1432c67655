// The texts of causes, as a table.
#include "schemas/cause.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fiverate {
namespace {

TEST(Cause, ReadsWhatItWrites) {
  for (const auto& cause : {Cause{"outlet/3", {1234, 0}}, Cause{"deliveries/0", {0, 17}}}) {
    EXPECT_EQ(parse_cause(to_text(cause)), cause) << to_text(cause);
  }
  EXPECT_EQ(parse_position(to_text(CausePosition{})), CausePosition{});
}

TEST(Cause, RefusesOtherTexts) {
  for (const std::string text : {"", "/", "//", "outlet/3", "outlet/3/1234", "outlet/3/-", "outlet/3/-1/0",
                                 "outlet/3/1234/-1", "outlet/3/x/0", "outlet/3/1234/0 ", "outlet/3/1234/99999999999"}) {
    const auto cause = parse_cause(text);
    // The partition is read as an offset, and the sender that is left has none.
    EXPECT_TRUE(!cause || cause->sender.find('/') == std::string::npos) << text;
  }
}

}  // namespace
}  // namespace fiverate
