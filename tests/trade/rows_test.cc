// From cells to published rows: windows, roll-up over regions, coverage, which lines exist.
#include "processors/trade/rows/rows.h"

#include <gtest/gtest.h>

#include <deque>

#include "processors/trade/measures/measure.h"
#include "processors/trade/rows/row_fields.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

// A country with a city of two counties, and an island that is a county of its own; "far" is a county without outlets.
class Rows : public testing::Test {
 protected:
  Rows() {
    add_region("CN", "", Region::COUNTRY);
    add_region("city", "CN", Region::CITY);
    add_region("north", "city", Region::COUNTY);
    add_region("south", "city", Region::COUNTY);
    add_region("far", "CN", Region::COUNTY);
    add_region("island", "", Region::COUNTY);
  }

  void add_region(const std::string& id, const std::string& parent, Region::Level level, Millis arrival = 0) {
    regions.apply(region(id, parent, level), arrival);
  }

  // Adds a contribution to the cell of a region and, if one is given, a channel.
  void add(bool of_brand, const std::string& region_id, const std::string& channel, Contribution contribution, Day day,
           std::int64_t value) {
    Segment segment{region_id, {}};
    if (!channel.empty()) segment.classes.push_back({"channel", channel});
    (of_brand ? brand : market)[segment].push_back({contribution, day, value});
  }
  void delivered(const std::string& region_id, const std::string& channel, std::int32_t on, std::int64_t units) {
    add(true, region_id, channel, Contribution::delivered_units, nth(on), units);
  }

  struct Difference {
    Contribution contribution;
    Day day;
    std::int64_t value;
  };
  using Cells = std::map<Segment, std::vector<Difference>>;

  // The values of all cells as of a day. They are kept in `values`.
  std::vector<CellOfDay> as_of(Day day, const Cells& cells, CellLayout::Content content,
                               std::deque<std::vector<std::int64_t>>& values) {
    const auto& layout = content == CellLayout::Content::brand ? layouts.brand : layouts.market;
    const auto windows = windows_as_of(day, WindowSet::all());
    std::vector<CellOfDay> all;
    for (const auto& [segment, differences] : cells) {
      auto& of_cell = values.emplace_back(layout.size());
      for (const auto& one : differences)
        LayoutWeights(layout, weights_of(one.day, day, windows)).add(one.contribution, one.value, of_cell.data());
      const auto& of_segment = lines_of_segments.emplace_back(lines.lines_of(segment));
      all.push_back({of_segment, regions.index_of(segment.region_id), of_cell.data(), nullptr});
    }
    return all;
  }
  static std::vector<MetricsRow> parsed(const std::vector<Row>& rows) {
    std::vector<MetricsRow> messages;
    for (const auto& row : rows)
      EXPECT_TRUE(messages.emplace_back().ParseFromString(encode(row, MeasureGroups::all(), MetricsRow::LIVE, 1)));
    return messages;
  }
  std::vector<MetricsRow> rows(std::int32_t on, Millis counties_known_before = 1) {
    std::deque<std::vector<std::int64_t>> values;
    const auto market_cells = as_of(nth(on), market, CellLayout::Content::market, values);
    const auto brand_cells = as_of(nth(on), brand, CellLayout::Content::brand, values);
    DayRows day(regions, catalogue, lines, layouts, nth(on), counties_known_before, market_cells);
    const auto all = day.brand_rows("B1", brand_cells);
    expect_parts_of(all, [&](const std::vector<bool>& only) { return day.brand_rows("B1", brand_cells, only); });
    return parsed(all);
  }
  std::vector<MetricsRow> market_rows(std::int32_t on) {
    std::deque<std::vector<std::int64_t>> values;
    const auto market_cells = as_of(nth(on), market, CellLayout::Content::market, values);
    const DayRows day(regions, catalogue, lines, layouts, nth(on), 1, market_cells);
    const auto all = day.market_rows();
    expect_parts_of(all, [&](const std::vector<bool>& only) { return day.market_rows(only); });
    return parsed(all);
  }
  // The rows of one region alone are those that it has among the rows of all.
  template <typename RowsOf>
  void expect_parts_of(const std::vector<Row>& all, RowsOf&& rows_of) {
    for (std::size_t region = 0; region < regions.size(); ++region) {
      std::vector<bool> only(regions.size());
      only[region] = true;
      std::vector<std::string> expected;
      for (const auto& row : all) {
        if (row.region_id == regions.region_id(region)) expected.push_back(row.content);
      }
      std::vector<std::string> actual;
      for (const auto& row : rows_of(only)) actual.push_back(row.content);
      EXPECT_EQ(actual, expected) << regions.region_id(region);
    }
  }

  RegionTree regions;
  Catalogue catalogue;
  LineNumbers lines;
  const CellLayouts layouts{CellLayout(CellLayout::Content::brand), CellLayout(CellLayout::Content::market)};
  std::deque<std::vector<std::uint32_t>> lines_of_segments;
  Cells brand;
  Cells market;
};

const MetricsRow::Window* window_of(const std::vector<MetricsRow>& rows, const std::string& region_id,
                                    const std::string& dimension, const std::string& value, std::int32_t window_days) {
  for (const auto& row : rows) {
    if (row.region_id() != region_id || row.class_dimension() != dimension) continue;
    for (const auto& line : row.lines()) {
      if (line.class_value() != value) continue;
      for (const auto& window : line.windows()) {
        if (window.window_days() == window_days) return &window;
      }
    }
  }
  return nullptr;
}

// nullopt: no such line.
std::optional<std::int64_t> measure(const std::vector<MetricsRow>& rows, const std::string& region_id,
                                    BrandMeasure measure, std::int32_t window_days = 7,
                                    const std::string& channel = "") {
  const auto* window = window_of(rows, region_id, channel.empty() ? "" : "channel", channel, window_days);
  if (window == nullptr) return std::nullopt;
  return value_of(window->measures(), measure);
}

TEST_F(Rows, SumsWindowsAndTheOneBefore) {
  delivered("north", "", 0, 100);    // in P of window 7 on day 13, not in W
  delivered("north", "", 7, 10);     // first day of W
  delivered("north", "", 13, 1);     // last day
  delivered("north", "", 14, 1000);  // not yet
  add(true, "north", "", Contribution::returned_units, nth(13), 4);
  const auto on_13 = rows(13);
  EXPECT_EQ(measure(on_13, "north", BrandMeasure::delivered_units), 11);
  EXPECT_EQ(measure(on_13, "north", BrandMeasure::returned_units), 4);
  EXPECT_EQ(measure(on_13, "north", BrandMeasure::net_delivered_units), 7);
  EXPECT_EQ(measure(on_13, "north", BrandMeasure::previous_net_delivered_units), 100);
  EXPECT_EQ(measure(on_13, "north", BrandMeasure::net_delivered_units_change), -93);
  EXPECT_EQ(measure(on_13, "north", BrandMeasure::net_delivered_units, 28), 107);
  EXPECT_EQ(measure(rows(14), "north", BrandMeasure::previous_net_delivered_units), 10)
      << "the window moved on by a day";
}

TEST_F(Rows, RollUpToEveryRegionAbove) {
  delivered("north", "", 1, 5);
  delivered("south", "", 1, 7);
  delivered("island", "", 1, 9);
  add(false, "north", "", Contribution::active_outlets, nth(0), 3);
  add(false, "island", "", Contribution::active_outlets, nth(0), 1);
  add(false, "south", "", Contribution::dormant_outlets, nth(0), 2);
  const auto all = rows(1);
  for (const auto& [region_id, units, active, dormant] :
       std::vector<std::tuple<std::string, int, int, int>>{{"north", 5, 3, 0},
                                                           {"south", 7, 0, 2},
                                                           {"city", 12, 3, 2},
                                                           {"CN", 12, 3, 2},
                                                           {"island", 9, 1, 0},
                                                           {"", 21, 4, 2}}) {
    EXPECT_EQ(measure(all, region_id, BrandMeasure::delivered_units), units) << region_id;
    EXPECT_EQ(measure(all, region_id, BrandMeasure::active_outlets), active) << region_id;
    EXPECT_EQ(measure(all, region_id, BrandMeasure::dormant_outlets), dormant) << region_id;
  }
  EXPECT_EQ(measure(all, "far", BrandMeasure::delivered_units), std::nullopt) << "nothing to report there";
}

TEST_F(Rows, CoverageCountsCountiesWithAtLeastOneUnitNet) {
  delivered("north", "", 1, 5);
  add(true, "north", "", Contribution::returned_units, nth(1), 4);
  delivered("south", "", 1, 5);
  add(true, "south", "", Contribution::returned_units, nth(1), 5);
  delivered("city", "", 1, 9);  // an outlet of the city itself covers no county
  const auto all = rows(1);
  EXPECT_EQ(measure(all, "north", BrandMeasure::covered_counties), 1);
  EXPECT_EQ(measure(all, "south", BrandMeasure::covered_counties), 0);
  EXPECT_EQ(measure(all, "city", BrandMeasure::covered_counties), 1);
  EXPECT_EQ(measure(all, "city", BrandMeasure::counties), 2);
  EXPECT_EQ(measure(all, "CN", BrandMeasure::counties), 3) << "with or without outlets";
  EXPECT_EQ(measure(all, "", BrandMeasure::counties), 4);
}

TEST_F(Rows, ACountyThatCameTooLateIsNotCounted) {
  add_region("new", "city", Region::COUNTY, 50);
  delivered("new", "", 1, 5);
  EXPECT_EQ(measure(rows(1, 50), "city", BrandMeasure::counties), 2);
  EXPECT_EQ(measure(rows(1, 50), "city", BrandMeasure::covered_counties), 0);
  EXPECT_EQ(measure(rows(1, 51), "city", BrandMeasure::counties), 3);
  EXPECT_EQ(measure(rows(1, 51), "city", BrandMeasure::covered_counties), 1);
}

TEST_F(Rows, ClassLinesAddUpToTheTotalOfTheirRow) {
  delivered("north", "a", 1, 5);
  delivered("north", "b", 1, 7);
  delivered("south", "a", 1, 1);
  delivered("south", "", 1, 100);  // without the dimension
  const auto all = rows(1);
  EXPECT_EQ(measure(all, "city", BrandMeasure::delivered_units, 7, "a"), 6);
  EXPECT_EQ(measure(all, "city", BrandMeasure::delivered_units, 7, "b"), 7);
  EXPECT_EQ(measure(all, "city", BrandMeasure::delivered_units), 113);
  EXPECT_EQ(measure(all, "city", BrandMeasure::counties, 7, "b"), 2) << "the same for every class";
  EXPECT_EQ(measure(all, "city", BrandMeasure::covered_counties, 7, "b"), 1) << "covered by that class";
  for (const auto& row : all) {
    if (row.class_dimension().empty()) continue;
    ASSERT_GT(row.lines_size(), 1);
    EXPECT_EQ(row.lines(0).class_value(), "") << "the total comes first";
    for (const auto& total : row.lines(0).windows()) {
      std::int64_t sum = 0;
      for (int i = 1; i < row.lines_size(); ++i) {
        const auto* window =
            window_of(all, row.region_id(), "channel", row.lines(i).class_value(), total.window_days());
        sum += window->measures().delivered_units();
      }
      const auto without_channel = row.region_id() == "north" || row.region_id() == "island" ? 0 : 100;
      EXPECT_EQ(sum + without_channel, total.measures().delivered_units()) << row.region_id();
    }
  }
}

TEST_F(Rows, ALineWithoutAnythingOfTheBrandIsLeftOut) {
  delivered("north", "", 1, 5);
  add(false, "north", "", Contribution::active_outlets, nth(0), 3);
  EXPECT_TRUE(rows(0).empty()) << "active outlets and counties alone are nothing to report";
  const auto later = rows(10);
  EXPECT_EQ(measure(later, "north", BrandMeasure::previous_net_delivered_units), 5)
      << "the window before has something";
  EXPECT_EQ(measure(later, "north", BrandMeasure::delivered_units), 0) << "in such a line zeros are written";
  EXPECT_EQ(measure(rows(15), "north", BrandMeasure::delivered_units, 7), std::nullopt);
  EXPECT_EQ(measure(rows(15), "north", BrandMeasure::delivered_units, 28), 5) << "windows come and go by themselves";
  EXPECT_TRUE(rows(182 + 1).empty());
}

TEST_F(Rows, AreSortedByRegionAndDimension) {
  delivered("south", "a", 1, 1);
  delivered("north", "b", 1, 1);
  std::vector<std::pair<std::string, std::string>> keys;
  for (const auto& row : rows(1)) keys.emplace_back(row.region_id(), row.class_dimension());
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_EQ(keys.size(), 10U) << "south, north, city, CN, the market: each with and without the dimension";
}

TEST_F(Rows, OfTheMarketHaveDataQualityInTheWholeOnly) {
  add(false, "north", "a", Contribution::active_outlets, nth(0), 1);
  for (const auto& [contribution, count] : std::vector<std::pair<Contribution, int>>{
           {Contribution::accepted, 5}, {Contribution::duplicates, 2}, {quarantined_for(Reason::late), 1}}) {
    add(false, "", "", contribution, nth(0), count);
  }
  const auto all = market_rows(0);
  const auto* whole = window_of(all, "", "", "", 7);
  ASSERT_NE(whole, nullptr);
  EXPECT_EQ(whole->measures().active_outlets(), 1);
  EXPECT_EQ(whole->measures().received(), 8);
  EXPECT_EQ(whole->measures().accepted(), 5);
  EXPECT_EQ(whole->measures().duplicates(), 2);
  EXPECT_EQ(whole->measures().quarantined_late(), 1);
  EXPECT_EQ(whole->measures().quarantined_future(), 0);
  EXPECT_FALSE(whole->has_rates());
  ASSERT_NE(window_of(all, "north", "channel", "a", 91), nullptr);
  EXPECT_EQ(window_of(all, "north", "", "", 7)->measures().received(), 0);
  EXPECT_EQ(window_of(all, "south", "", "", 7), nullptr);
  EXPECT_EQ(window_of(market_rows(7), "", "", "", 7)->measures().received(), 0) << "by day of arrival";
}

}  // namespace
}  // namespace fiverate::test
