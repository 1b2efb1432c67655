// The note of a sequence gap in the metadata of a group.
#include "processors/stream/sequence_gap.h"

#include <gtest/gtest.h>

#include "processors/stream/checkpoint.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

const std::vector<MissingRange> kTwo{{"deliveries/0", 7, 120}, {"orders/1", 0, 5}};

TEST(SequenceGap, IsNotedBehindThePointerToTheCheckpoint) {
  const auto metadata = to_text(CheckpointPointer{2, 1234}) + missing_note(kTwo);
  EXPECT_EQ(metadata, "epoch=2 checkpoint=1234 missing=deliveries/0:7-120,orders/1:0-5");
  EXPECT_EQ(parse_missing_note(metadata), kTwo);
  EXPECT_EQ(missing_note_in(metadata), missing_note(kTwo));
  EXPECT_EQ(parse_checkpoint_pointer(metadata), (CheckpointPointer{2, 1234}));
  EXPECT_EQ(sentence_part(kTwo), "deliveries/0 offsets 7 to 120, orders/1 offsets 0 to 5");
}

TEST(SequenceGap, WithoutOneThereIsNoNote) {
  EXPECT_EQ(missing_note({}), "");
  for (const auto* text : {"", "epoch=2 checkpoint=1234", "epoch=2 checkpoint=1234 missing=", " missing=a",
                           " missing=a:", " missing=a:x-y", " missing=a:-1-", " missing=:,:", " missing=a:5"}) {
    EXPECT_TRUE(parse_missing_note(text).empty()) << text;
  }
}

TEST(SequenceGap, ANoteIsNotLongerThanKafkaAccepts) {
  std::vector<MissingRange> many;
  for (int i = 0; i < 500; ++i) many.push_back({fmt::format("deliveries/{}", i), 1'000'000'000, 2'000'000'000});
  const auto metadata = to_text(CheckpointPointer{2, 1'000'000'000}) + missing_note(many);
  EXPECT_LE(metadata.size(), 4'096U);
  const auto parsed = parse_missing_note(metadata);
  EXPECT_GE(parsed.size(), 80U);
  EXPECT_TRUE(std::equal(parsed.begin(), parsed.end(), many.begin()));
}

}  // namespace
}  // namespace fiverate
