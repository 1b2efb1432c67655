// Which acknowledged offsets are accepted, and which show that a log lost records.
#include "processors/stream/acknowledged_offsets.h"

#include <gtest/gtest.h>

namespace fiverate::test {
namespace {

const Input kOne{Topic::ledger, 1};
const Input kTwo{Topic::ledger, 2};

TEST(AcknowledgedOffsets, RiseInEachPartitionOrElseTheLogHasLostRecords) {
  AcknowledgedOffsets offsets;
  EXPECT_TRUE(offsets.acknowledged(kOne, 0, 7).has_value());
  EXPECT_TRUE(offsets.acknowledged(kTwo, 1, 3).has_value());
  EXPECT_TRUE(offsets.acknowledged(kOne, 2, 9).has_value()) << "other producers write to the partition too";
  const auto lost = offsets.acknowledged(kOne, 3, 9);
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().reaction, Reaction::stop);
  EXPECT_NE(lost.error().what.find("ledger partition 1 has lost acknowledged records"), std::string::npos)
      << lost.error().what;
  EXPECT_FALSE(offsets.acknowledged(kTwo, 4, 0).has_value());
}

TEST(AcknowledgedOffsets, ABatchThatTheBrokerHadAlreadyIsCountedFromMinusOneAndIsIgnored) {
  AcknowledgedOffsets offsets;
  EXPECT_TRUE(offsets.acknowledged(kOne, 0, 100).has_value());
  std::int64_t number = 1;
  for (const std::int64_t offset : {-1, 0, 1, 2})
    EXPECT_TRUE(offsets.acknowledged(kOne, number++, offset).has_value()) << offset;
  EXPECT_TRUE(offsets.acknowledged(kOne, number++, 105).has_value());
  EXPECT_FALSE(offsets.acknowledged(kOne, number++, 3).has_value()) << "that was another batch";
}

TEST(AcknowledgedOffsets, ARecordThatALaterSuccessAcknowledgesHasNoOffset) {
  AcknowledgedOffsets offsets;
  EXPECT_TRUE(offsets.acknowledged(kOne, 0, 100).has_value());
  EXPECT_TRUE(offsets.acknowledged(kOne, 1, -1001).has_value());
  EXPECT_TRUE(offsets.acknowledged(kOne, 2, -1001).has_value());
  EXPECT_TRUE(offsets.acknowledged(kOne, 3, 103).has_value());
}

TEST(AcknowledgedOffsets, ARepetitionIsAcknowledgedAtItsFirstOffset) {
  AcknowledgedOffsets offsets;
  EXPECT_TRUE(offsets.acknowledged(kOne, 0, 100).has_value());
  // 1 and 2 were written but refused (too few replicas), 3 was acknowledged before they were repeated.
  EXPECT_TRUE(offsets.acknowledged(kOne, 3, 103).has_value());
  EXPECT_TRUE(offsets.acknowledged(kOne, 1, 101).has_value());
  EXPECT_TRUE(offsets.acknowledged(kOne, 2, 102).has_value());
  EXPECT_TRUE(offsets.acknowledged(kOne, 4, 104).has_value());
  EXPECT_FALSE(offsets.acknowledged(kOne, 5, 104).has_value());
}

TEST(AcknowledgedOffsets, TheEndOfASenderIsKnownWhenItsLastRecordIsAcknowledgedWithAnOffset) {
  AcknowledgedOffsets offsets;
  const Cause first{"outlet/0", {5, 0}};
  const Cause second{"outlet/0", {6, 0}};
  const Cause others{"outlet/1", {9, 0}};
  offsets.sent(kOne, 0, first);
  EXPECT_FALSE(offsets.end(kOne, "outlet/0")) << "not acknowledged";
  EXPECT_TRUE(offsets.acknowledged(kOne, 0, 7).has_value());
  offsets.sent(kOne, 1, others);
  EXPECT_TRUE(offsets.acknowledged(kOne, 1, 8).has_value());
  EXPECT_EQ(offsets.end(kOne, "outlet/0"), 8);
  EXPECT_EQ(offsets.end(kOne, "outlet/1"), 9);
  EXPECT_FALSE(offsets.end(kTwo, "outlet/0"));
  offsets.sent(kOne, 2, second);
  EXPECT_FALSE(offsets.end(kOne, "outlet/0"));
  EXPECT_TRUE(offsets.acknowledged(kOne, 2, -1001).has_value());
  EXPECT_FALSE(offsets.end(kOne, "outlet/0")) << "the acknowledgement had no offset";
}

}  // namespace
}  // namespace fiverate::test
