// The screen of `watch market`: contents, order and size, in both languages.
#include "cli/screen/market_screen.h"

#include <gtest/gtest.h>

#include <sstream>

#include "cli/screen/live_screen.h"
#include "processors/stages/topology.h"
#include "processors/trade/measures/measure.h"
#include "processors/trade/rows/row_encoding.h"

namespace fiverate {
namespace {

constexpr Millis kNow = 1'772'424'000'000;  // 2026-03-02T12:00 in Shanghai
constexpr Millis kHour = 60 * kMinuteMs;
constexpr TextOutput::Size kSmall{80, 24};

struct Market {
  LatestRows rows;
  LatestAlerts alerts;
  ResultRecords results{make_definition("Asia/Shanghai", {1, 1, 1})};
  std::string warning;
  RateFilter rates{std::nullopt, "", "", 28};
  AlertFilter alert_filter;

  void row(const std::string& brand, std::int64_t change, const std::string& region = "",
           MeasureGroups selected = MeasureGroups::all()) {
    BrandValues values{};
    for (const auto& [measure, value] :
         {std::pair(BrandMeasure::active_outlets, 200L), std::pair(BrandMeasure::on_shelf_outlets, 150L),
          std::pair(BrandMeasure::net_delivered_units, 1000L),
          std::pair(BrandMeasure::previous_net_delivered_units, 1000L),
          std::pair(BrandMeasure::net_delivered_units_change, change), std::pair(BrandMeasure::buying_outlets, 100L),
          std::pair(BrandMeasure::counties, 8L), std::pair(BrandMeasure::covered_counties, 8L),
          std::pair(BrandMeasure::available_units, 400L), std::pair(BrandMeasure::sold_units, 100L),
          std::pair(BrandMeasure::known_days, 500L), std::pair(BrandMeasure::stockout_days, 20L)}) {
      values[static_cast<std::size_t>(measure)] = value;
    }
    constexpr Day kAsOf{20'514};
    std::string windows;
    append_brand_window(28, kAsOf, values, selected, windows);
    auto row = begin_row(brand, region, "", kAsOf);
    append_line("", windows, row);
    MetricsRow parsed;
    ASSERT_TRUE(parsed.ParseFromString(encode(row, selected, MetricsRow::LIVE, 1)));
    rows.apply(parsed, {}, results);
  }

  Alert& alert(const std::string& id, Transition::Severity severity, Millis since) {
    auto& last = *made_.mutable_last();
    made_.clear_silenced();
    made_.set_transitions(1);
    last.set_alert_id(id);
    last.set_rule("R1");
    last.set_state(Transition::FIRING);
    last.set_severity(severity);
    last.set_since_ms(since);
    last.set_sku_id("B01-" + id);
    last.set_outlet_id("R000017");
    last.set_region_id("P1C2-03");
    return made_;
  }
  void add() {
    InRecord record;
    const auto bytes = made_.SerializeAsString();
    record.value = bytes;
    alerts.apply(record, results);
  }
  void many(int count) {
    for (int i = 0; i < count; ++i) {
      alert(std::to_string(100 + i), Transition::CRITICAL, kNow - i * kHour);
      add();
    }
  }

  [[nodiscard]] std::string drawn(TextOutput::Size size = kSmall, Language language = Language::en,
                                  bool colours = false) const {
    TextOutput page(size, colours);
    draw_market(page, {rows, alerts, rates, alert_filter, kNow, 12, warning}, MarketCalendar("Asia/Shanghai"),
                language);
    return page.text();
  }
  [[nodiscard]] std::vector<std::string> lines(TextOutput::Size size = kSmall, Language language = Language::en) const {
    std::vector<std::string> lines;
    std::istringstream text(drawn(size, language));
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

 private:
  Alert made_;
};

TEST(MarketScreen, ShowsClockRatesAndAlerts) {
  Market market;
  market.row("LARK", 83);
  market.row("PLUM", -178);
  market.row("PLUM", -500, "P1C2");
  market.row("", 0);
  market.alert("1", Transition::WARNING, kNow - 26 * kHour);
  market.add();
  EXPECT_EQ(market.drawn(),
            R"(fiverate market   2026-03-02 12:00   Ctrl-C to stop
open alerts: 1   critical 0  warning 1  info 0   quarantined: 12

brands, whole market, last 28 days   as of 2026-03-02   * sample below 30
)"
            "\x1b[1mbrand  buying  coverage  on shelf  sell-through  stockout  growth  net units\x1b[0m\n"
            R"(LARK    50.0%    100.0%     75.0%         25.0%      4.0%   +8.3%       1000
PLUM    50.0%    100.0%     75.0%         25.0%      4.0%  -17.8%       1000

)"
            "\x1b[1mseverity  details                  SKU    outlet   region   since\x1b[0m\n"
            "warning   out of stock for 1d 02h  B01-1  R000017  P1C2-03  2026-03-01 10:00\n");
  market.rates.region_id = "P1C2";
  EXPECT_NE(market.drawn().find("brands, P1C2, last 28 days"), std::string::npos);
  EXPECT_NE(market.drawn().find("-50.0%"), std::string::npos);
}

// A market need not compute every rate, and not 28 days.
TEST(MarketScreen, LeavesOutWhatTheMarketDoesNotCompute) {
  auto purchases = MeasureGroups::none();
  purchases.insert(MeasureGroup::purchases);
  Market market;
  market.row("LARK", 83, "", purchases);
  EXPECT_EQ(market.lines()[5], "LARK    50.0%    100.0%         -             -         -   +8.3%       1000");
  auto stock = MeasureGroups::none();
  stock.insert(MeasureGroup::stock);
  market.row("PLUM", 83, "", stock);
  EXPECT_EQ(market.lines()[6], "PLUM        -         -         -         25.0%      4.0%       -          -");
  market.rates.window_days = 0;
  EXPECT_EQ(market.lines()[3], "brands, whole market, month to date: no data yet");
}

TEST(MarketScreen, InChinese) {
  Market market;
  market.row("LARK", 83);
  market.alert("1", Transition::CRITICAL, kNow - 26 * kHour);
  market.add();
  const auto lines = market.lines(kSmall, Language::zh);
  EXPECT_EQ(lines[1], "未解除预警: 1   严重 1  警告 0  提示 0   隔离记录: 12");
  EXPECT_EQ(lines.back(), "严重  已断货 1天 02小时  B01-1  R000017  P1C2-03  2026-03-01 10:00");
  EXPECT_EQ(display_width(lines[4]), display_width(lines[5])) << "columns of numbers end where their headers end";
}

TEST(MarketScreen, WithoutData) {
  const auto lines = Market().lines();
  ASSERT_GE(lines.size(), 4U);
  EXPECT_EQ(lines[1], "open alerts: 0   critical 0  warning 0  info 0   quarantined: 12");
  EXPECT_EQ(lines[3], "brands, whole market, last 28 days: no data yet");
}

TEST(MarketScreen, SortsBySeverityThenNewestAndSilencedLast) {
  Market market;
  market.alert("old", Transition::CRITICAL, kNow - 9 * kHour);
  market.add();
  market.alert("new", Transition::CRITICAL, kNow - kHour);
  market.add();
  market.alert("warning", Transition::WARNING, kNow);
  market.add();
  auto& silence = *market.alert("silenced", Transition::CRITICAL, kNow).add_silenced();
  silence.set_starts_ms(kNow - 1);
  silence.set_ends_ms(kNow + 1);
  market.add();
  market.alert("over", Transition::CRITICAL, kNow).mutable_last()->set_state(Transition::RESOLVED);
  market.add();
  std::vector<std::string> ids;
  for (const auto* alert : alerts_for_screen(market.alerts, {}, kNow)) ids.push_back(alert->last().alert_id());
  EXPECT_EQ(ids, (std::vector<std::string>{"new", "old", "warning", "silenced"}));
}

TEST(MarketScreen, FitsTheTerminal) {
  Market market;
  for (int i = 0; i < 30; ++i) market.row("B" + std::to_string(10 + i), i);
  market.many(100);
  for (const auto language : {Language::en, Language::zh}) {
    for (const TextOutput::Size size : {kSmall, TextOutput::Size{120, 40}, {80, 10}, {200, 60}}) {
      const auto lines = market.lines(size, language);
      EXPECT_EQ(lines.size(), size.lines);
      EXPECT_EQ(lines.back().find("... "), 0U) << "reports the number of lines that are not shown";
      for (const auto& line : lines) EXPECT_LE(display_width(line), size.columns) << line;
    }
    EXPECT_EQ(market.lines({120, 200}, language).size(), 7U + 30 + 100);
  }
  market.alerts = {};
  EXPECT_EQ(market.lines({80, 40}).size(), 6U + 30) << "without alerts the brands get all lines";
}

TEST(MarketScreen, GrowthHasAColour) {
  Market market;
  market.row("UP", 10);
  market.row("DOWN", -10);
  const auto drawn = market.drawn(kSmall, Language::en, true);
  EXPECT_NE(drawn.find("\x1b[32m+1.0%\x1b[0m"), std::string::npos);
  EXPECT_NE(drawn.find("\x1b[31m-1.0%\x1b[0m"), std::string::npos);
  EXPECT_EQ(market.drawn().find("\x1b[3"), std::string::npos) << "NO_COLOR";
}

TEST(MarketScreen, AWarningTakesALineOfItsOwn) {
  Market market;
  for (int i = 0; i < 30; ++i) market.row("B" + std::to_string(10 + i), i);
  market.many(100);
  market.warning = "Lost connection to Kafka at h:1. Retrying; data shown is from 21:56.";
  const auto lines = market.lines();
  EXPECT_EQ(lines[1], market.warning);
  EXPECT_EQ(lines.size(), kSmall.lines);
}

}  // namespace
}  // namespace fiverate
