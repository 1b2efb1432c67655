// The differences of market by day: nothing is lost over chunks, saves, restarts and what is dropped.
#include "processors/stages/day_differences.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "processors/stream/memory_store.h"
#include "schemas/check.h"

namespace fiverate {
namespace {

constexpr std::uint32_t kCells = 3000;

class StoredDifferences : public testing::Test {
 protected:
  void restart() {
    save();
    differences = std::make_unique<DayDifferences>();
    ASSERT_TRUE(differences->open(store).has_value());
  }
  void save() {
    StoreBatch batch;
    differences->save(batch);
    CHECK(store.write(batch).has_value());
  }
  static RunningValues no_values() {
    RunningValues values(CellLayout::Content::brand, CellLayout::Content::market);
    for (std::uint32_t cell = 0; cell < kCells; ++cell) values.add_cell(true);
    return values;
  }
  // The sums of delivered units of the last 91 days, of the cells that have any.
  static std::map<std::uint32_t, std::int64_t> delivered(const RunningValues& values) {
    std::map<std::uint32_t, std::int64_t> units;
    const CellLayout layout(CellLayout::Content::brand);
    for (std::uint32_t cell = 0; cell < kCells; ++cell) {
      const auto sum = layout.flow(values.values(CellNumber{cell}), Contribution::delivered_units, 3);
      if (sum != 0) units[cell] = sum;
    }
    return units;
  }

  void add(Day day, CellDifference one) { differences->add(day, {&one, 1}); }

  MemoryStore store;
  std::unique_ptr<DayDifferences> differences = [this] {
    auto first = std::make_unique<DayDifferences>();
    CHECK(first->open(store).has_value());
    return first;
  }();
};

TEST_F(StoredDifferences, OfManyChunksAreAllThereBeforeAndAfterASaveAndARestart) {
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same in every run
  std::map<std::uint32_t, std::int64_t> expected;
  const auto add_random = [&](Day day) {
    const auto cell = static_cast<std::uint32_t>(random() % kCells);
    const auto units = static_cast<std::int64_t>(1 + random() % 9);
    add(day, {units, CellNumber{cell}, Contribution::delivered_units});
    expected[cell] += units;
  };
  for (int i = 0; i < 20'000; ++i) {
    add_random(Day{100});
    if (i % 3 == 0) add_random(Day{101});
    if (i == 9'000) save();
    if (i == 15'000) restart();
  }
  auto values = no_values();
  ASSERT_TRUE(differences->move(values, Day{110}).has_value());
  EXPECT_EQ(delivered(values), expected);
  restart();
  auto again = no_values();
  ASSERT_TRUE(differences->move(again, Day{110}).has_value());
  EXPECT_EQ(delivered(again), expected);
}

TEST_F(StoredDifferences, DeliveriesOutliveAllOthers) {
  for (std::uint32_t cell = 0; cell < kCells; ++cell) {
    for (int i = 0; i < 3; ++i) {
      add(Day{100}, {1, CellNumber{cell}, Contribution::delivered_units});
      add(Day{100}, {1, CellNumber{cell}, Contribution::order_lines});
    }
  }
  const auto stored = [&] {
    std::size_t bytes = 0;
    static_cast<void>(store.scan(DayDifferences::kPrefix, [&](std::string_view, std::string_view value) {
      bytes += value.size();
      return true;
    }));
    return bytes;
  };
  restart();
  const auto all = stored();
  ASSERT_TRUE(differences->drop_before(Day{191}).has_value());
  restart();
  EXPECT_EQ(stored(), all) << "day 100 is in the window of 91 days up to day 190";
  ASSERT_TRUE(differences->drop_before(Day{192}).has_value());
  restart();
  EXPECT_LT(stored(), all * 2 / 3);
  auto values = no_values();
  ASSERT_TRUE(differences->move(values, Day{190}).has_value());
  EXPECT_EQ(delivered(values).size(), kCells);
  ASSERT_TRUE(differences->drop_before(Day{100 + 91 + 367 + 1}).has_value());
  restart();
  EXPECT_EQ(stored(), 0U);
}

TEST_F(StoredDifferences, AMissingChunkIsDamage) {
  for (std::uint32_t i = 0; i < 10'000; ++i)
    add(Day{100}, {1, CellNumber{i % kCells}, static_cast<Contribution>(44 + i % 5)});
  restart();
  StoreBatch batch;
  batch.erase("b/0000006400000000");
  ASSERT_TRUE(store.write(batch).has_value());
  auto values = no_values();
  EXPECT_FALSE(differences->move(values, Day{110}).has_value());
}

TEST_F(StoredDifferences, OfAnUnknownCellAreDamage) {
  add(Day{100}, {1, CellNumber{kCells}, Contribution::delivered_units});
  auto values = no_values();
  EXPECT_FALSE(differences->move(values, Day{110}).has_value());
}

}  // namespace
}  // namespace fiverate
