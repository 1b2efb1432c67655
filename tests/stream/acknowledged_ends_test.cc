#include "processors/stream/acknowledged_ends.h"

#include <gtest/gtest.h>

namespace fiverate::test {
namespace {

TEST(AcknowledgedEnds, RiseInEachPartitionElseTheLogHasLostSomething) {
  AcknowledgedEnds ends;
  const Input one{Topic::ledger, 1};
  const Input two{Topic::ledger, 2};
  EXPECT_TRUE(ends.note(one, 7).has_value());
  EXPECT_TRUE(ends.note(two, 3).has_value());
  EXPECT_TRUE(ends.note(one, 9).has_value()) << "others write there too";
  EXPECT_TRUE(ends.note(one, -1).has_value()) << "the broker had it already";
  const auto lost = ends.note(one, 9);
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().reaction, Reaction::stop);
  EXPECT_NE(lost.error().what.find("ledger partition 1 has lost records"), std::string::npos) << lost.error().what;
  EXPECT_FALSE(ends.note(two, 0).has_value());
}

}  // namespace
}  // namespace fiverate::test
