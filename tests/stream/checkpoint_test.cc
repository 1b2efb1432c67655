// The text of a pointer, the record of a checkpoint, and which checkpoint a pointer leads to.
#include "processors/stream/checkpoint.h"

#include <gtest/gtest.h>

#include "tests/support/log_checkpoints.h"

namespace fiverate::test {
namespace {

TEST(CheckpointPointer, ReadsBackItsText) {
  for (const auto& pointer : {CheckpointPointer{}, CheckpointPointer{2, 1234}, CheckpointPointer{7, -1}}) {
    EXPECT_EQ(parse_checkpoint_pointer(to_text(pointer)), pointer) << to_text(pointer);
  }
  EXPECT_EQ(to_text(CheckpointPointer{2, 1234}), "epoch=2 checkpoint=1234");
}

TEST(CheckpointPointer, ATextThatIsNoPointerReadsAsUnknown) {
  for (const auto* text : {"", "epoch=", "epoch=2", "checkpoint=3", "epoch=x checkpoint=3", "epoch=2 checkpoint=",
                           "{\"clock_ms\":1}", "epoch=99999999999999999999 checkpoint=1", "\xff\xff"}) {
    EXPECT_EQ(parse_checkpoint_pointer(text), CheckpointPointer{}) << text;
  }
}

Checkpoint checkpoint(const std::string& task, std::int64_t offset, std::int64_t epoch = 0) {
  Checkpoint made;
  made.set_task(task);
  made.set_offset(offset);
  made.set_reset_epoch(epoch);
  return made;
}

InRecord record_of(const OutRecord& record) {
  InRecord read;
  read.key = record.key;
  read.value = record.value;
  read.cause = record.cause;
  return read;
}

TEST(CheckpointRecord, IsKeyedByTheTaskAndReadsBack) {
  const auto record = checkpoint_record(checkpoint("outlet/3", 12), 5);
  EXPECT_EQ(record.key, "outlet/3");
  EXPECT_EQ(record.timestamp, 5);
  EXPECT_EQ(to_text(*record.cause), "outlet/3/12/0");
  EXPECT_FALSE(record.link.has_value());
  EXPECT_EQ(parse_checkpoint(record_of(record))->offset(), 12);
}

TEST(CheckpointRecord, ARecordThatNoTaskWroteIsIgnored) {
  auto other_key = checkpoint_record(checkpoint("outlet/3", 12), 5);
  other_key.key = "outlet/4";
  EXPECT_FALSE(parse_checkpoint(record_of(other_key)).has_value());
  auto damaged = checkpoint_record(checkpoint("outlet/3", 12), 5);
  damaged.value = "\xff\xff";
  EXPECT_FALSE(parse_checkpoint(record_of(damaged)).has_value());
  auto removed = checkpoint_record(checkpoint("outlet/3", 12), 5);
  removed.value.clear();
  EXPECT_FALSE(parse_checkpoint(record_of(removed)).has_value());
  for (const auto& cause : std::vector<std::optional<Cause>>{std::nullopt, Cause{"outlet/4", {12, 0}},
                                                             Cause{"outlet/3", {11, 0}}, Cause{"outlet/3", {12, 1}}}) {
    auto other_cause = checkpoint_record(checkpoint("outlet/3", 12), 5);
    other_cause.cause = cause;
    EXPECT_FALSE(parse_checkpoint(record_of(other_cause)).has_value()) << (cause ? to_text(*cause) : "none");
  }
}

TEST(IsNewer, ComparesTheEpochBeforeTheOffset) {
  EXPECT_TRUE(is_newer(checkpoint("t/0", 5), checkpoint("t/0", 4)));
  EXPECT_FALSE(is_newer(checkpoint("t/0", 4), checkpoint("t/0", 5)));
  EXPECT_TRUE(is_newer(checkpoint("t/0", 4, 1), checkpoint("t/0", 5)));
  EXPECT_FALSE(is_newer(checkpoint("t/0", 5), checkpoint("t/0", 4, 1)));
}

class FindTest : public testing::Test {
 protected:
  std::int64_t append(const Checkpoint& one) {
    log.append(checkpoint_record(one, 0));
    return log.end_offset(kCheckpointsPartition) - 1;
  }
  // The offset of the checkpoint that is found; -1: none.
  std::int64_t find(CheckpointPointer pointer) {
    const auto found = LogCheckpoints(log).find({{"t/0", pointer}});
    return found->contains("t/0") ? found->at("t/0").offset() : -1;
  }
  MemoryLog log;
};

TEST_F(FindTest, NothingInTheTopicIsNoCheckpoint) {
  EXPECT_EQ(find({}), -1);
  EXPECT_EQ(find({0, 5}), -1);
}

TEST_F(FindTest, TheNewestAtOrBehindThePointerCounts) {
  append(checkpoint("t/0", 10));
  const auto at = append(checkpoint("t/0", 20));
  append(checkpoint("t/1", 99));
  EXPECT_EQ(find({0, at}), 20);
  append(checkpoint("t/0", 30));
  append(checkpoint("t/0", 25));  // of a process that was expelled meanwhile
  EXPECT_EQ(find({0, at}), 30);
}

TEST_F(FindTest, WithoutAPointerOrBeyondTheEndTheNewestInTheTopicCounts) {
  append(checkpoint("t/0", 10));
  append(checkpoint("t/0", 30));
  append(checkpoint("t/0", 20));
  EXPECT_EQ(find({}), 30);
  EXPECT_EQ(find({0, 1'000}), 30);
  append(checkpoint("t/0", 5, 1));
  EXPECT_EQ(find({}), 5) << "of the highest epoch";
}

TEST_F(FindTest, ACheckpointBeforeAResetDoesNotCountBehindIt) {
  append(checkpoint("t/0", 30));
  const auto at = append(checkpoint("t/0", 10, 1));
  append(checkpoint("t/0", 31));  // of a process that has not noticed the reset
  EXPECT_EQ(find({1, at}), 10);
}

}  // namespace
}  // namespace fiverate::test
