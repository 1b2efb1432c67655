#include "processors/stream/arrival_merge.h"

#include <gtest/gtest.h>

#include <deque>
#include <limits>
#include <string>

#include "schemas/format.h"

namespace fiverate {
namespace {

using namespace std::chrono_literals;

// A partition is a list of timestamps, and whether its log has more records that have not arrived yet.
class ArrivalMergeTest : public ::testing::Test {
 protected:
  struct Partition {
    std::deque<Millis> records;
    bool more = false;
  };

  void begin(std::vector<Partition> partitions) {
    partitions_ = std::move(partitions);
    merge_ = ArrivalMerge(partitions_.size());
    for (std::size_t i = 0; i < partitions_.size(); ++i) update(i);
  }
  void update(std::size_t partition) {
    const auto& [records, more] = partitions_[partition];
    if (records.empty()) {
      merge_.set_empty(partition, more);
    } else {
      merge_.set_head(partition, records.front());
    }
  }
  // New records of a partition that has none.
  void arrive(std::size_t partition, Partition added) {
    ASSERT_TRUE(partitions_[partition].records.empty());
    partitions_[partition] = std::move(added);
    update(partition);
  }
  // All records that can be read at this moment, as "a10 b20": a letter for each partition.
  std::string read(ArrivalMerge::Instant now = 0ms) {
    std::string found;
    while (const auto partition = merge_.next(now)) {
      if (!found.empty()) found += ' ';
      found += fmt::format("{}{}", static_cast<char>('a' + *partition), partitions_[*partition].records.front());
      partitions_[*partition].records.pop_front();
      update(*partition);
    }
    return found;
  }

  std::vector<Partition> partitions_;
  ArrivalMerge merge_;
};

TEST_F(ArrivalMergeTest, ReadsAllPartitionsByArrival) {
  const struct {
    std::string what;
    std::vector<Partition> partitions;
    std::string expected;
  } cases[] = {
      {"no partitions", {}, ""},
      {"one partition", {{{1, 2}}}, "a1 a2"},
      {"by arrival", {{{10, 40}}, {{20, 30, 50}}}, "a10 b20 b30 a40 b50"},
      {"of equal arrivals the first partition comes first", {{{10}}, {{10}}, {{5, 10}}}, "c5 a10 b10 c10"},
      {"no wait for a partition at its end", {{{10, 20}}, {}, {{15}}}, "a10 c15 a20"},
      {"all partitions are at their ends", {{}, {}}, ""},
      {"arrival never decreases within a partition", {{{10, 50, 20, 60}}, {{30, 55}}}, "a10 b30 a50 a20 b55 a60"},
      {"old events that were filled in behind new ones", {{{100, 1, 2}}, {{99, 101}}}, "b99 a100 a1 a2 b101"},
      {"an invalid timestamp does not raise the arrival",
       {{{10, std::numeric_limits<Millis>::max(), 30}}, {{20, -1, 40}}},
       fmt::format("a10 a{} b20 b-1 a30 b40", std::numeric_limits<Millis>::max())},
  };
  for (const auto& [what, partitions, expected] : cases) {
    begin(partitions);
    EXPECT_EQ(read(), expected) << what;
  }
}

TEST_F(ArrivalMergeTest, WaitsForAPartitionThatHasMoreRecords) {
  begin({{{10, 30}}, {{20}, true}});
  EXPECT_EQ(read(0ms), "a10 b20") << "a30 waits for the rest of b";
  EXPECT_EQ(read(1999ms), "");
  arrive(1, {{25, 40}, false});
  EXPECT_EQ(read(1999ms), "b25 a30 b40");
}

TEST_F(ArrivalMergeTest, WaitsUntilThePartitionIsKnownToBeAtItsEnd) {
  begin({{{10}}, {{}, true}});
  EXPECT_EQ(read(0ms), "");
  arrive(1, {{}, false});
  EXPECT_EQ(read(1ms), "a10");
}

TEST_F(ArrivalMergeTest, AStalledPartitionIsNotWaitedForUntilItsRecordsArrive) {
  begin({{{10, 20}}, {{}, true}, {}});
  EXPECT_EQ(read(5s), "") << "the timeout begins when the first record has to wait";
  EXPECT_TRUE(merge_.drain_stalled().empty());
  EXPECT_EQ(read(5s + ArrivalMerge::kStallTimeout), "a10 a20");
  EXPECT_EQ(merge_.drain_stalled(), std::vector<std::size_t>{1});
  arrive(0, {{30}});
  merge_.set_empty(1, true);
  EXPECT_EQ(read(8s), "a30") << "b is still stalled";
  EXPECT_TRUE(merge_.drain_stalled().empty()) << "reported once";

  arrive(1, {{15}, true});
  arrive(0, {{40}});
  EXPECT_EQ(read(20s), "b15") << "b is expected again, with a new timeout";
  EXPECT_EQ(read(21s), "");
  EXPECT_EQ(read(22s), "a40");
  EXPECT_EQ(merge_.drain_stalled(), std::vector<std::size_t>{1});
}

TEST_F(ArrivalMergeTest, EachPartitionHasItsOwnTimeout) {
  begin({{{10, 30}}, {{}, true}, {{20}, true}});
  EXPECT_EQ(read(0s), "");
  arrive(1, {{5}, false});
  EXPECT_EQ(read(1s), "b5 a10 c20");
  EXPECT_EQ(read(2s), "") << "c has been expected for one second";
  EXPECT_EQ(read(3s), "a30");
}

TEST_F(ArrivalMergeTest, TheTimeoutDoesNotRunWhileNoRecordWaits) {
  begin({{}, {{}, true}});
  EXPECT_EQ(read(0s), "");
  EXPECT_EQ(read(1h), "");
  arrive(0, {{10}});
  EXPECT_EQ(read(1h), "");
  EXPECT_EQ(read(1h + ArrivalMerge::kStallTimeout), "a10");
}

}  // namespace
}  // namespace fiverate
