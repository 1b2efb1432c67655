// The position in an input, and whether a log holds the same records that were read.
#include "processors/stream/input_position.h"

#include <gtest/gtest.h>

#include "schemas/format.h"

namespace fiverate::test {
namespace {

const Input kLedger{Topic::ledger, 2};
const Input kDeliveries{Topic::deliveries, 2};

InRecord record(std::int64_t offset, std::string_view value, Millis timestamp = 5) {
  InRecord made;
  made.offset = offset;
  made.timestamp = timestamp;
  made.key = "k";
  made.value = value;
  return made;
}

InputPosition after(const Input& input, std::initializer_list<std::string_view> values) {
  InputPosition position(input);
  std::int64_t offset = 0;
  for (const auto value : values) position.advance(record(offset++, value));
  return position;
}

TEST(InputPosition, StandsBehindTheLastRecordAlsoAfterAHole) {
  InputPosition position(kLedger);
  EXPECT_EQ(position.next_offset(), 0);
  position.advance(record(0, "a"));
  position.advance(record(7, "b"));
  EXPECT_EQ(position.next_offset(), 8);
}

TEST(InputPosition, VerifiesThePreviousRecordByTimestampKeyAndValue) {
  const auto position = after(kLedger, {"a", "b"});
  EXPECT_TRUE(position.verify_previous(record(1, "b"), "folder").has_value());
  auto other_key = record(1, "b");
  other_key.key = "other";
  for (const auto& other : {record(1, "a"), record(1, "b", 6), other_key}) {
    const auto verified = position.verify_previous(other, "folder");
    ASSERT_FALSE(verified.has_value());
    EXPECT_EQ(verified.error().reaction, Reaction::stop);
    EXPECT_NE(verified.error().what.find("folder"), std::string::npos) << verified.error().what;
    EXPECT_NE(verified.error().what.find("ledger partition 2"), std::string::npos) << verified.error().what;
  }
}

TEST(InputPosition, VerifiesThatACheckpointWasComputedFromTheSameRecords) {
  for (const auto& [input, first_may_differ] : {std::pair(kLedger, false), std::pair(kDeliveries, true)}) {
    Checkpoint checkpoint;
    after(input, {"a", "b"}).save(checkpoint);
    EXPECT_EQ(checkpoint.offset(), 2);
    EXPECT_TRUE(after(input, {"a", "b"}).verify(checkpoint).has_value());
    EXPECT_FALSE(after(input, {"a", "x"}).verify(checkpoint).has_value());
    // Source topics may be compacted or have holes: only the last record is compared.
    EXPECT_EQ(after(input, {"x", "b"}).verify(checkpoint).has_value(), first_may_differ) << name_of(input.topic);
  }
}

TEST(InputPosition, ContinuesFromASavedState) {
  auto position = after(kLedger, {"a", "b"});
  TaskState state;
  position.save(state);
  InputPosition loaded(kLedger);
  loaded.load(state);
  EXPECT_EQ(loaded.next_offset(), 2);
  for (auto* one : {&position, &loaded}) one->advance(record(2, "c"));
  Checkpoint checkpoint;
  position.save(checkpoint);
  EXPECT_TRUE(loaded.verify(checkpoint).has_value());
}

}  // namespace
}  // namespace fiverate::test
