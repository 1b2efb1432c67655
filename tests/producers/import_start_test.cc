// Where an import continues: decided from the last records of the source partitions.
#include "producers/import_start.h"

#include <gtest/gtest.h>

namespace fiverate {
namespace {

constexpr ImportId kThis = 7;
constexpr ImportId kOther = 8;
const Input kOrders{Topic::orders, 0};
const Input kVisits{Topic::visits, 0};

struct Written {
  ImportId import;
  std::int64_t number;
  bool is_end = false;
};

// Partitions with these records, one a millisecond. Import 0: a record of another program.
PartitionEnds ends_of(const std::map<Input, std::vector<Written>>& partitions) {
  PartitionEnds ends;
  for (const auto& [input, written] : partitions) {
    auto& end = ends[input];
    for (std::size_t i = 0; i < written.size(); ++i) {
      InRecord record;
      record.input = input;
      record.offset = static_cast<std::int64_t>(i);
      record.timestamp = 1'000 + static_cast<Millis>(i);
      if (written[i].import != 0)
        record.import = ImportPosition{written[i].import, written[i].number, written[i].is_end};
      add_record(end, record, kThis);
    }
  }
  return ends;
}

ImportState state_of(const std::map<Input, std::vector<Written>>& partitions) {
  return state_of_import(ends_of(partitions));
}

TEST(ImportStart, NothingIsThere) {
  EXPECT_EQ(state_of({{kOrders, {}}, {kVisits, {}}}), ImportState::absent);
  EXPECT_EQ(state_of({{kOrders, {{0, 0}}}, {kVisits, {}}}), ImportState::absent) << "another program has written";
}

TEST(ImportStart, AnotherImportIsComplete) {
  EXPECT_EQ(state_of({{kOrders, {{kOther, 1}, {kOther, 2, true}}}, {kVisits, {{kOther, 1, true}}}}),
            ImportState::absent);
}

TEST(ImportStart, AnotherImportIsIncomplete) {
  EXPECT_EQ(state_of({{kOrders, {{kOther, 1}}}, {kVisits, {{kOther, 1, true}}}}), ImportState::other_incomplete);
  EXPECT_EQ(state_of({{kOrders, {{kOther, 1, true}}}, {kVisits, {}}}), ImportState::other_incomplete)
      << "it has not reached the other partition";
  EXPECT_EQ(state_of({{kOrders, {{kOther, 1, true}, {9, 1, true}}}, {kVisits, {{kOther, 1, true}}}}),
            ImportState::other_incomplete)
      << "the later one has not reached the other partition";
  EXPECT_EQ(state_of({{kOrders, {{kOther, 1}, {0, 0}, {0, 0}}}, {kVisits, {{kOther, 1}, {0, 0}}}}),
            ImportState::other_incomplete)
      << "actions of people follow it";
}

TEST(ImportStart, ThisOneHasBegun) {
  const auto ends = ends_of({{kOrders, {{kThis, 1}, {kThis, 2}, {0, 0}}}, {kVisits, {}}});
  EXPECT_EQ(state_of_import(ends), ImportState::begun);
  const auto start = start_of_import(kThis, ends);
  EXPECT_EQ(start.import, kThis);
  ASSERT_EQ(start.written.size(), 1U);
  EXPECT_EQ(start.written.at(kOrders), (ImportPosition{kThis, 2, false}));
}

TEST(ImportStart, ThisOneHasBegunBehindAnother) {
  EXPECT_EQ(state_of({{kOrders, {{kOther, 1, true}, {kThis, 1}}}, {kVisits, {{kOther, 1, true}}}}), ImportState::begun);
  EXPECT_EQ(state_of({{kOrders, {{kThis, 1, true}}}, {kVisits, {{kThis, 1}, {kThis, 2, true}}}}), ImportState::begun)
      << "complete: its days may be open";
}

TEST(ImportStart, AnotherFollowsThisOne) {
  EXPECT_EQ(state_of({{kOrders, {{kThis, 1, true}, {kOther, 1}}}, {kVisits, {{kThis, 1, true}}}}),
            ImportState::followed);
  EXPECT_EQ(state_of({{kOrders, {{kThis, 1}, {kOther, 1}}}, {kVisits, {{kThis, 1, true}}}}),
            ImportState::other_follows);
  EXPECT_EQ(state_of({{kOrders, {{kThis, 1, true}, {kOther, 1}}}, {kVisits, {{kThis, 1}}}}),
            ImportState::other_follows);
}

TEST(ImportStart, RecordsMayBeReadInAnyOrder) {
  PartitionEnd end;
  const auto add = [&](std::int64_t offset, ImportId import, std::int64_t number) {
    InRecord record;
    record.offset = offset;
    record.timestamp = offset * 10;
    record.import = ImportPosition{import, number, false};
    add_record(end, record, kThis);
  };
  add(9, kOther, 4);
  add(3, kThis, 1);
  add(5, kThis, 2);
  add(4, kOther, 1);
  EXPECT_EQ(end.end_offset, 10);
  EXPECT_EQ(end.latest, 90);
  EXPECT_EQ(end.own->number, 2);
  EXPECT_EQ(end.other->number, 4);
}

TEST(ImportStart, TheClockIsTheLowestOfThePartitions) {
  EXPECT_EQ(clock_of(ends_of({{kOrders, {{kThis, 1}, {kThis, 2}}}, {kVisits, {{kThis, 1}}}})), 1'000);
  EXPECT_EQ(clock_of(ends_of({{kOrders, {{kThis, 1}}}, {kVisits, {}}})), kNever);
  EXPECT_EQ(clock_of({}), kNever);
}

}  // namespace
}  // namespace fiverate
