#include "processors/stream/acknowledged_ends.h"

#include <gtest/gtest.h>

namespace fiverate::test {
namespace {

const Input kOne{Topic::ledger, 1};
const Input kTwo{Topic::ledger, 2};

TEST(AcknowledgedEnds, RiseInEachPartitionElseTheLogHasLostSomething) {
  AcknowledgedEnds ends;
  EXPECT_TRUE(ends.note(kOne, 0, 7).has_value());
  EXPECT_TRUE(ends.note(kTwo, 1, 3).has_value());
  EXPECT_TRUE(ends.note(kOne, 2, 9).has_value()) << "others write there too";
  const auto lost = ends.note(kOne, 3, 9);
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().reaction, Reaction::stop);
  EXPECT_NE(lost.error().what.find("ledger partition 1 has lost records"), std::string::npos) << lost.error().what;
  EXPECT_FALSE(ends.note(kTwo, 4, 0).has_value());
}

TEST(AcknowledgedEnds, ABatchThatTheBrokerHadAlreadyIsCountedFromMinusOneAndTellsNothing) {
  AcknowledgedEnds ends;
  EXPECT_TRUE(ends.note(kOne, 0, 100).has_value());
  std::int64_t number = 1;
  for (const std::int64_t offset : {-1, 0, 1, 2}) EXPECT_TRUE(ends.note(kOne, number++, offset).has_value()) << offset;
  EXPECT_TRUE(ends.note(kOne, number++, 105).has_value());
  EXPECT_FALSE(ends.note(kOne, number++, 3).has_value()) << "that was another batch";
}

TEST(AcknowledgedEnds, OneThatALaterSuccessStandsForTellsNothing) {
  AcknowledgedEnds ends;
  EXPECT_TRUE(ends.note(kOne, 0, 100).has_value());
  EXPECT_TRUE(ends.note(kOne, 1, -1001).has_value());
  EXPECT_TRUE(ends.note(kOne, 2, -1001).has_value());
  EXPECT_TRUE(ends.note(kOne, 3, 103).has_value());
}

TEST(AcknowledgedEnds, ARepetitionIsAcknowledgedWhereItStoodAtFirst) {
  AcknowledgedEnds ends;
  EXPECT_TRUE(ends.note(kOne, 0, 100).has_value());
  // 1 and 2 were written but refused (too few replicas), 3 was acknowledged before they were repeated.
  EXPECT_TRUE(ends.note(kOne, 3, 103).has_value());
  EXPECT_TRUE(ends.note(kOne, 1, 101).has_value());
  EXPECT_TRUE(ends.note(kOne, 2, 102).has_value());
  EXPECT_TRUE(ends.note(kOne, 4, 104).has_value());
  EXPECT_FALSE(ends.note(kOne, 5, 104).has_value());
}

TEST(AcknowledgedEnds, WhatIsKnownFromBeforeCounts) {
  AcknowledgedEnds ends;
  ends.know(kOne, 8, 2);
  ends.know(kTwo, 8, 2);
  EXPECT_TRUE(ends.note(kOne, 1, 5).has_value()) << "it was sent before that was known";
  EXPECT_TRUE(ends.note(kOne, 2, 8).has_value());
  EXPECT_FALSE(ends.note(kTwo, 3, 7).has_value()) << "even the first one of this process";
}

TEST(AcknowledgedEnds, TheLastRecordIsKnownWhenItsOwnAcknowledgementSaysWhereItStands) {
  AcknowledgedEnds ends;
  const Cause first{"outlet/0", {5, 0}};
  const Cause second{"outlet/0", {6, 0}};
  const Cause others{"outlet/1", {9, 0}};
  ends.sent(kOne, 0, first);
  EXPECT_FALSE(ends.last(kOne, "outlet/0")) << "not acknowledged";
  EXPECT_TRUE(ends.note(kOne, 0, 7).has_value());
  ends.sent(kOne, 1, others);
  EXPECT_TRUE(ends.note(kOne, 1, 8).has_value());
  EXPECT_EQ(ends.last(kOne, "outlet/0")->end, 8);
  EXPECT_EQ(ends.last(kOne, "outlet/0")->last, first);
  EXPECT_EQ(ends.last(kOne, "outlet/1")->end, 9);
  EXPECT_FALSE(ends.last(kTwo, "outlet/0"));
  ends.sent(kOne, 2, second);
  EXPECT_FALSE(ends.last(kOne, "outlet/0"));
  EXPECT_TRUE(ends.note(kOne, 2, -1001).has_value());
  EXPECT_FALSE(ends.last(kOne, "outlet/0")) << "it told nothing";
}

}  // namespace
}  // namespace fiverate::test
