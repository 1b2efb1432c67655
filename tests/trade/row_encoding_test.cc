// The bytes of a row: those that Protobuf writes for the same message, with every measure and rate of the tables under its name.
#include "processors/trade/rows/row_encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <random>
#include <set>

#include "processors/trade/base/window.h"
#include "processors/trade/rows/row_fields.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr Day kAsOf{20'514};  // 2026-03-02

MetricsRow parsed(const Row& row) {
  MetricsRow message;
  EXPECT_TRUE(message.ParseFromString(encode(row, MeasureGroups::all(), MetricsRow::FINAL, 1)));
  return message;
}

MetricsRow::Window window_of(const BrandValues& values, std::int32_t window_days = 28) {
  std::string windows;
  append_brand_window(window_days, kAsOf, values, MeasureGroups::all(), windows);
  auto row = begin_row("B1", "city", "", kAsOf);
  append_line("", windows, row);
  return parsed(row).lines(0).windows(0);
}

std::set<std::string> field_names(const google::protobuf::Descriptor& message) {
  std::set<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) names.insert(message.field(i)->name());
  return names;
}

TEST(RowFields, EveryMeasureAndRateHasItsFieldAndEveryFieldItsName) {
  std::set<std::string> measures(kBrandMeasureNames.begin(), kBrandMeasureNames.end());
  measures.insert(kMarketMeasureNames.begin(), kMarketMeasureNames.end());
  EXPECT_EQ(field_names(*MetricsRow::Measures::descriptor()), measures);
  EXPECT_EQ(field_names(*MetricsRow::Rates::descriptor()), std::set<std::string>(kRateNames.begin(), kRateNames.end()));
}

// Numbers are a promise to consumers: a field that moves breaks those that were built before.
TEST(RowFields, NumbersDoNotChange) {
  const auto number = [](const char* name) {
    return MetricsRow::Measures::descriptor()->FindFieldByName(name)->number();
  };
  for (std::size_t i = 0; i < kBrandMeasureNames.size(); ++i) {
    EXPECT_EQ(RowFields::get().brand_measures[i]->number(), static_cast<int>(i) + 1) << kBrandMeasureNames[i];
  }
  EXPECT_EQ(number("delivered_units"), 3);
  EXPECT_EQ(number("stocks_known"), 45);
  EXPECT_EQ(number("visits_done"), 101);
  EXPECT_EQ(number("quarantined_revision_conflict"), 119);
  EXPECT_EQ(MetricsRow::Rates::descriptor()->FindFieldByName("stock_to_sales")->number(), 17);
}

TEST(RowEncoding, EachMeasureStandsUnderItsName) {
  BrandValues values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int64_t>(1000 + i);
  const auto window = window_of(values);
  const auto* const reflection = MetricsRow::Measures::GetReflection();
  for (std::size_t i = 0; i < kBrandMeasureNames.size(); ++i) {
    const auto* const field = MetricsRow::Measures::descriptor()->FindFieldByName(std::string(kBrandMeasureNames[i]));
    EXPECT_EQ(reflection->GetInt64(window.measures(), field), values[i]) << kBrandMeasureNames[i];
  }
  EXPECT_EQ(window.measures().delivered_units(), 1002);
  EXPECT_EQ(window.measures().stocks_known(), 1044);
  EXPECT_EQ(window.window_days(), 28);
  EXPECT_TRUE(window.period().empty());
  EXPECT_EQ(window_of(values, kMonth).period(), "2026-03");
}

TEST(RowEncoding, ARateHasNumeratorDenominatorValueAndStatus) {
  BrandValues values{};
  const auto set = [&](BrandMeasure measure, std::int64_t value) { values[static_cast<std::size_t>(measure)] = value; };
  set(BrandMeasure::buying_outlets, 83);
  set(BrandMeasure::active_outlets, 120);
  set(BrandMeasure::net_delivered_units_change, -1);
  set(BrandMeasure::previous_net_delivered_units, 3);
  set(BrandMeasure::stock_units, 5);
  set(BrandMeasure::known_days, 2);
  set(BrandMeasure::unknown_days, 1);
  const auto window = window_of(values);
  const auto& buying = window.rates().buying();
  EXPECT_EQ(buying.numerator(), 83);
  EXPECT_EQ(buying.denominator(), 120);
  EXPECT_EQ(buying.value(), 0.691667) << "the double that the text 0.691667 is read as";
  EXPECT_EQ(buying.status(), MetricsRow::Rate::OK);
  EXPECT_EQ(window.rates().growth().value(), -0.333333);
  EXPECT_EQ(window.rates().growth().status(), MetricsRow::Rate::LOW_SAMPLE);
  EXPECT_TRUE(window.rates().on_shelf().has_value()) << "a measured 0";
  EXPECT_EQ(window.rates().on_shelf().value(), 0);
  EXPECT_FALSE(window.rates().line_fill().has_value());
  EXPECT_EQ(window.rates().line_fill().status(), MetricsRow::Rate::NO_DENOMINATOR);
  EXPECT_FALSE(window.rates().stock_to_sales().has_value());
  EXPECT_EQ(window.rates().stock_to_sales().status(), MetricsRow::Rate::INFINITE);
  EXPECT_EQ(window.rates().stockout_rate().observed(), 0.666667);
  EXPECT_FALSE(window.rates().buying().has_observed());
  EXPECT_FALSE(window.has_price_status());
  set(BrandMeasure::price_readings, 4);
  EXPECT_EQ(window_of(values).price_status(), MetricsRow::Rate::LOW_SAMPLE);
}

// Every value of six decimals is the double nearest to it, and is printed as these decimals again.
TEST(RowEncoding, AValueIsExactlyItsSixDecimals) {
  BrandValues values{};
  auto& numerator = values[static_cast<std::size_t>(BrandMeasure::buying_outlets)];
  auto& denominator = values[static_cast<std::size_t>(BrandMeasure::active_outlets)];
  std::mt19937_64 random(20260301);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same cases in every run
  for (int i = 0; i < 10'000; ++i) {
    denominator = 1 + static_cast<std::int64_t>(random() % 3'000'000);
    numerator = static_cast<std::int64_t>(random() % (i % 2 == 0 ? 3'000'000U : 3'000'000'000'000U));
    const auto text = millionths_text(millionths(numerator, denominator));
    const auto value = window_of(values).rates().buying().value();
    EXPECT_EQ(value, std::stod(text)) << numerator << "/" << denominator;
    EXPECT_EQ(fmt::format("{:.6f}", value), text);
  }
}

TEST(RowEncoding, TheBytesAreThoseOfProtobuf) {
  std::mt19937_64 random(1);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same cases in every run
  for (int i = 0; i < 200; ++i) {
    const auto value = [&]() -> std::int64_t {
      const auto bits = random();
      return i % 3 == 0 && bits % 2 == 0 ? 0
                                         : static_cast<std::int64_t>(bits) >> (2 + random() % 62);  // no sum overflows
    };
    auto row = begin_row(i % 2 == 0 ? "B1" : "", "区县", i % 5 == 0 ? "" : "channel", kAsOf);
    for (const auto* const class_value : {"", "a", "b"}) {
      std::string windows;
      for (const auto window_days : kWindows) {
        if (i % 2 == 0) {
          BrandValues values;
          std::generate(values.begin(), values.end(), value);
          for (const auto count :
               {BrandMeasure::price_readings, BrandMeasure::known_days, BrandMeasure::unknown_days}) {
            values[static_cast<std::size_t>(count)] = static_cast<std::int64_t>(random() % 9);
          }
          append_brand_window(window_days, kAsOf, values, MeasureGroups::all(), windows);
        } else {
          std::array<std::int64_t, kMarketMeasureNames.size()> values;
          std::generate(values.begin(), values.end(), value);
          append_market_window(window_days, kAsOf, values, windows);
        }
      }
      append_line(class_value, windows, row);
    }
    auto message = parsed(row);
    message.DiscardUnknownFields();
    EXPECT_EQ(message.SerializeAsString(), encode(row, MeasureGroups::all(), MetricsRow::FINAL, 1));
    EXPECT_EQ(message.lines_size(), 3);
    EXPECT_EQ(message.lines(2).windows_size(), static_cast<int>(kWindowCount));
    EXPECT_EQ(message.region_id(), "区县");
    EXPECT_EQ(message.as_of(), "2026-03-02");
  }
}

// Unselected measures are 0 in the values, and unselected rates are left out.
TEST(RowEncoding, ARowOfASelectionNamesItsGroupsAndHasNoOtherRates) {
  auto selected = MeasureGroups::none();
  selected.insert(MeasureGroup::shelf);
  selected.insert(MeasureGroup::stock);
  BrandValues values{};
  values[static_cast<std::size_t>(BrandMeasure::active_outlets)] = 40;
  values[static_cast<std::size_t>(BrandMeasure::on_shelf_outlets)] = 30;
  std::string windows;
  append_brand_window(7, kAsOf, values, selected, windows);
  auto row = begin_row("B1", "", "", kAsOf);
  append_line("", windows, row);
  const auto bytes = encode(row, selected, MetricsRow::LIVE, 9);
  EXPECT_TRUE(bytes.starts_with(row.content));
  MetricsRow message;
  ASSERT_TRUE(message.ParseFromString(bytes));
  EXPECT_EQ(message.SerializeAsString(), bytes) << "the bytes are those of Protobuf";
  EXPECT_EQ(groups_of(message), selected);
  EXPECT_EQ(message.measure_groups(1), MetricsRow::STOCK);
  const auto& window = message.lines(0).windows(0);
  EXPECT_TRUE(window.rates().has_on_shelf());
  EXPECT_TRUE(window.rates().has_stockout_rate()) << "without a denominator, but selected";
  EXPECT_FALSE(window.rates().has_buying());
  EXPECT_TRUE(has_value(groups_of(message), window.measures(), BrandMeasure::known_days)) << "0";
  EXPECT_FALSE(has_value(groups_of(message), window.measures(), BrandMeasure::delivered_units));
}

TEST(RowEncoding, TheGroupsOfARowAreThoseOfTheTable) {
  for (std::size_t i = 0; i < kMeasureGroupNames.size(); ++i) {
    auto name = MetricsRow::MeasureGroup_Name(static_cast<MetricsRow::MeasureGroup>(measure_group(i)));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    EXPECT_EQ(name, kMeasureGroupNames[i]);
  }
  EXPECT_EQ(MetricsRow::MeasureGroup_ARRAYSIZE, static_cast<int>(kMeasureGroupNames.size()) + 1);
  EXPECT_EQ(groups_of(MetricsRow()), MeasureGroups::all());
}

TEST(RowEncoding, ContentDoesNotDependOnStatusAndRevision) {
  const auto row = begin_row("B1", "", "", kAsOf);
  const auto live = encode(row, MeasureGroups::all(), MetricsRow::LIVE, 1'000'000'000'000);
  EXPECT_TRUE(live.starts_with(row.content));
  EXPECT_TRUE(encode(row, MeasureGroups::all(), MetricsRow::FINAL, 1).starts_with(row.content));
  MetricsRow message;
  ASSERT_TRUE(message.ParseFromString(live));
  EXPECT_EQ(message.status(), MetricsRow::LIVE);
  EXPECT_EQ(message.revision(), 1'000'000'000'000);
  EXPECT_EQ(message.lines_size(), 0);
}

}  // namespace
}  // namespace fiverate
