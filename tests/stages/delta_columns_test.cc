// Differences as columns: what goes in comes out, sorted by day, and damaged columns are refused.
#include "processors/stages/delta_columns.h"

#include <gtest/gtest.h>

#include "schemas/format.h"
#include "tests/support/columns.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

constexpr auto kUnits = Contribution::delivered_units;
constexpr auto kReturned = Contribution::returned_units;

std::string text_of(const DeltaColumns& columns) {
  std::string text;
  for (const auto& one : differences_of(columns)) {
    text += fmt::format("{} {} {} #{} {:+}\n", one.day == kNoDay ? "always" : format_date(one.day), one.brand_id,
                        one.region_id, static_cast<int>(one.contribution), one.value);
  }
  return text;
}

TEST(DeltaColumns, AreSortedByDayCellAndContribution) {
  const auto columns = columns_of({{"B2", "north", kUnits, nth(1), 4},
                                   {"B1", "south", kReturned, nth(1), -2},
                                   {"B1", "north", kUnits, nth(2), 9},
                                   {"", "north", Contribution::active_outlets, kNoDay, 1},
                                   {"B1", "south", kUnits, nth(1), 3}});
  EXPECT_TRUE(is_valid(columns));
  EXPECT_EQ(text_of(columns),
            "always  north #0 +1\n"
            "2026-03-02 B1 south #44 +3\n"
            "2026-03-02 B1 south #45 -2\n"
            "2026-03-02 B2 north #44 +4\n"
            "2026-03-03 B1 north #44 +9\n");
  EXPECT_EQ(columns.brand_ids_size(), 3);
  EXPECT_EQ(columns.segments_size(), 2) << "each name stands there once";
}

TEST(DeltaColumns, KeepTheExtremesOfDaysAndValues) {
  const auto columns = columns_of({{"B1", "", kUnits, kNoDay, std::numeric_limits<std::int64_t>::min()},
                                   {"B1", "", kUnits, kEndOfDays, std::numeric_limits<std::int64_t>::max()}});
  ASSERT_TRUE(is_valid(columns));
  const auto differences = differences_of(columns);
  EXPECT_EQ(differences[0].day, kNoDay);
  EXPECT_EQ(differences[0].value, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(differences[1].day, kEndOfDays);
  EXPECT_EQ(differences[1].value, std::numeric_limits<std::int64_t>::max());
}

TEST(DeltaColumns, WithoutDifferencesAreEmpty) {
  const auto columns = columns_of({});
  EXPECT_TRUE(is_valid(columns));
  EXPECT_EQ(columns.ByteSizeLong(), 0U);
}

TEST(DeltaColumns, OnlyKeepsDifferencesOfBrandsThatArePicked) {
  const auto columns = columns_of({{"", "north", Contribution::active_outlets, nth(0), 1},
                                   {"B1", "north", kUnits, nth(0), 4},
                                   {"B1", "north", kReturned, nth(0), 5},
                                   {"B1", "north", kReturned, nth(1), 6},
                                   {"B1", "north", kUnits, nth(2), 7}});
  const auto kept = only(columns, [](Contribution contribution) { return contribution == kUnits; });
  EXPECT_TRUE(is_valid(kept));
  EXPECT_EQ(text_of(kept), "2026-03-01 B1 north #44 +4\n2026-03-03 B1 north #44 +7\n");
}

TEST(DeltaColumns, RefuseColumnsThatDoNotFitTogether) {
  const auto valid = columns_of({{"B1", "north", kUnits, nth(0), 4}, {"B1", "north", kUnits, nth(1), 5}});
  const auto refuses = [&](auto&& damage) {
    auto damaged = valid;
    damage(damaged);
    return !is_valid(damaged);
  };
  EXPECT_FALSE(refuses([](DeltaColumns&) {}));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.add_values(1); }));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.add_days(1); }));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.set_days(1, 0); })) << "a day twice";
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.set_days(0, 2'000'000'000); }));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.set_day_sizes(0, 2); }));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.set_cells(0, 1); }));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.set_cells(0, 0xFFFF'FFFF); }));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.set_cell_brands(0, 1); }));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.set_cell_segments(0, 1); }));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.set_contributions(0, kContributionCount); }));
  EXPECT_TRUE(refuses([](DeltaColumns& columns) { columns.add_price_cells(0); }));
}

TEST(DeltaColumns, ACellHasContributionsOfABrandOrOfWholeOutlets) {
  EXPECT_FALSE(is_valid(columns_of({{"B1", "north", Contribution::accepted, nth(0), 1}})));
  EXPECT_FALSE(is_valid(columns_of({{"", "north", kUnits, nth(0), 1}})));
  EXPECT_TRUE(is_valid(columns_of({{"", "north", Contribution::accepted, nth(0), 1}})));
}

TEST(DeltaColumns, KeepReadingsOfPricesWithTheirCells) {
  DeltaColumnsBuilder builder;
  builder.begin_cell("B1", SegmentNumber{2}, {"north", {}});
  builder.add_price("s1", 450, nth(0), 2);
  builder.begin_cell("B1", SegmentNumber{3}, {"south", {}});
  builder.add_price("s1", 460, nth(1), -1);
  EXPECT_GT(builder.bytes(), 0U);
  const auto columns = builder.release();
  EXPECT_TRUE(is_valid(columns));
  EXPECT_EQ(columns.sku_ids_size(), 1);
  EXPECT_EQ(segment_of(columns, columns.price_cells(1)).region_id(), "south");
  EXPECT_EQ(columns.price_counts(1), -1);
  EXPECT_TRUE(builder.empty());
}

}  // namespace
}  // namespace fiverate::test
