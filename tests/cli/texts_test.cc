// Labels, sentences about alerts and rows of alerts, in both languages.
#include "cli/screen/texts.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/screen/alert_sentence.h"
#include "cli/screen/alert_table.h"

namespace fiverate {
namespace {

constexpr std::array kLanguagesTested{Language::en, Language::zh};
constexpr Millis kNoon = 1'773'115'200'000;  // 2026-03-10T12:00 in Shanghai
constexpr Millis kMidnight = kNoon + kDayMs / 2;

const MarketCalendar& shanghai() {
  static const MarketCalendar calendar("Asia/Shanghai");
  return calendar;
}

TEST(Texts, AuthorsThatNobodyVerifiedAreMarked) {
  EXPECT_EQ(author_text("User:ops", Language::en), "User:ops");
  EXPECT_EQ(author_text("ann", Language::en), "ann (unverified)");
  EXPECT_EQ(author_text("ann", Language::zh), "ann（未验证）");
}

TEST(Texts, EveryNameExistsInBothLanguages) {
  for (const auto language : kLanguagesTested) {
    for (std::size_t i = 0; i < kLabels; ++i) EXPECT_FALSE(label(static_cast<Label>(i), language).empty()) << i;
    for (const auto state : {Transition::FIRING, Transition::RESOLVED, Transition::RETRACTED}) {
      EXPECT_NE(state_text(state, language), state_text(Transition::STATE_UNSPECIFIED, language));
    }
    for (const auto severity : {Transition::INFO, Transition::WARNING, Transition::CRITICAL}) {
      EXPECT_NE(severity_text(severity, language), severity_text(Transition::SEVERITY_UNSPECIFIED, language));
    }
    for (const auto* rule : {"R1", "R2", "R3", "R5", "R6", "R16"})
      EXPECT_GT(rule_text(rule, language).size(), 3U) << rule;
    EXPECT_EQ(rule_text("R99", language), "R99");
  }
  EXPECT_EQ(state_text(Transition::FIRING, Language::zh), "预警中");
}

// ---- sentences about alerts

Transition transition(const std::string& rule, Transition::State state, std::int64_t value = 0,
                      std::int64_t threshold = 0) {
  Transition t;
  t.set_rule(rule);
  t.set_state(state);
  t.set_since_ms(kNoon);
  t.set_at_ms(kNoon);
  t.set_value(value);
  t.set_threshold(threshold);
  t.set_unit("units");
  return t;
}

Transition with_evidence(Transition t, const std::vector<std::pair<std::string, std::string>>& topics_and_events) {
  for (const auto& [topic, event_id] : topics_and_events) {
    auto& evidence = *t.add_evidence();
    evidence.set_topic(topic);
    evidence.set_event_id(event_id);
  }
  return t;
}

std::string english(const Transition& t) {
  return alert_sentence(t, shanghai(), Language::en);
}
std::string chinese(const Transition& t) {
  return alert_sentence(t, shanghai(), Language::zh);
}

TEST(AlertSentence, AStockoutNamesItsCount) {
  const auto visit = with_evidence(transition("R1", Transition::FIRING), {{"visits", "v1"}});
  EXPECT_EQ(english(visit), "Stockout: visit on 10 March counted 0");
  EXPECT_EQ(chinese(visit), "断货：3月10日走访清点为 0");
  const auto order = with_evidence(transition("R1", Transition::FIRING), {{"orders", "o1"}});
  EXPECT_EQ(english(order), "Stockout: order on 10 March declared a stock of 0");
}

TEST(AlertSentence, AStockoutEndsForAReason) {
  auto t = transition("R1", Transition::RESOLVED);
  EXPECT_EQ(english(with_evidence(t, {{"visits", "v1"}, {"deliveries", "D2"}})), "Restocked by delivery event D2");
  EXPECT_EQ(english(with_evidence(t, {{"visits", "v1"}, {"visits", "v2"}})), "Restocked: visit event v2 counted stock");
  EXPECT_EQ(english(with_evidence(t, {{"visits", "v1"}, {"orders", "o2"}})),
            "Restocked: order event o2 declared stock");
  EXPECT_EQ(chinese(with_evidence(t, {{"visits", "v1"}, {"deliveries", "D2"}})), "已到货（送货事件 D2）");
  t.set_at_ms(kMidnight);
  EXPECT_EQ(english(with_evidence(t, {{"visits", "v1"}})), "Closed: outlet not active, or SKU no longer listed");
  EXPECT_EQ(english(with_evidence(t, {{"visits", "v1"}, {"deliveries", "D2"}})), "Restocked by delivery event D2");
  EXPECT_EQ(english(with_evidence(t, {{"visits", "v1"}, {"visits", "v2"}})),
            "Ended: restocked, outlet not active, or SKU no longer listed");
  EXPECT_EQ(english(transition("R1", Transition::RETRACTED)),
            "Retracted: a late or corrected event shows that there was no stockout");
}

TEST(AlertSentence, APredictionHasStockAndSales) {
  EXPECT_EQ(english(transition("R2", Transition::FIRING, 2'000'000, 7'123'594)),
            "2 units left, sells 3.6 a day; alert below 7.1");
  EXPECT_EQ(chinese(transition("R2", Transition::FIRING, 2'000'000, 7'123'594)),
            "剩余 2，日均销量 3.6；低于 7.1 时预警");
  EXPECT_EQ(english(transition("R2", Transition::RESOLVED, 12'000'000, 8'000'000)),
            "Enough again: 12 units left, sells 4 a day");
  EXPECT_EQ(english(transition("R2", Transition::RESOLVED, 0, 8'000'000)),
            "Prediction ended: stock is 0 by the last count");
  auto at_midnight = transition("R2", Transition::RESOLVED, 2'000'000, 8'000'000);
  at_midnight.set_at_ms(kMidnight);
  EXPECT_EQ(english(at_midnight),
            "Prediction withdrawn: last count older than 28 days, no sales, or outlet not active");
}

TEST(AlertSentence, AnOverstockHasItsDaysOfSupply) {
  EXPECT_EQ(english(transition("R5", Transition::FIRING, 200'000'000, 90'000'000)),
            "200 units left, sells 2 a day (100 days); alert above 45 days");
  EXPECT_EQ(chinese(transition("R5", Transition::FIRING, 200'000'000, 90'000'000)),
            "剩余 200，日均销量 2（可销 100 天）；超过 45 天时预警");
  EXPECT_EQ(english(transition("R5", Transition::FIRING, 200'000'000, 0)),
            "200 units left, no sales; alert above 45 days");
  EXPECT_EQ(english(transition("R5", Transition::RESOLVED, 60'000'000, 90'000'000)),
            "Sold down: 60 units left, sells 2 a day (30 days)");
  EXPECT_EQ(english(transition("R5", Transition::RESOLVED, 200'000'000, 90'000'000)),
            "Closed: outlet not active, or no delivery in 90 days");
}

TEST(AlertSentence, RegionsHaveSharesAndFactors) {
  EXPECT_EQ(english(transition("R3", Transition::FIRING, 12, 60)),
            "20% out of stock in 7 days: 12 of 60 outlet-SKU pairs");
  EXPECT_EQ(chinese(transition("R3", Transition::FIRING, 12, 60)), "近 7 天断货率 20%：60 个户品规中 12 个断货");
  EXPECT_EQ(english(transition("R3", Transition::RESOLVED, 0, 0)),
            "Recovered: 0% out of stock in 7 days: 0 of 0 outlet-SKU pairs");
  EXPECT_EQ(english(transition("R6", Transition::FIRING, 300, 100)),
            "Overstock: stock is 3 times the sales of 28 days (300 / 100 units)");
  EXPECT_EQ(english(transition("R6", Transition::FIRING, 300, 0)), "Overstock: stock of 300 units, no sales");
  EXPECT_EQ(english(transition("R77", Transition::FIRING, 5, 3)), "value 5, threshold 3 units");
}

TEST(AlertSentence, DataQualityNamesTheTopicAndWhatIsWrong) {
  auto t = transition("R16", Transition::FIRING, 25, 1000);
  t.set_source_topic("deliveries");
  t.set_unit("records");
  EXPECT_EQ(english(t), "2.5% of a day's deliveries rejected: 25 of 1000 records");
  EXPECT_EQ(chinese(t), "deliveries 当日拒收率 2.5%：1000 条记录中 25 条被拒收");
  t.set_state(Transition::RESOLVED);
  t.set_value(0);
  t.set_threshold(0);
  EXPECT_EQ(english(t), "Recovered: 0% of a day's deliveries rejected: 0 of 0 records");

  t = transition("R16", Transition::FIRING, 1);
  t.set_source_topic("deliveries");
  t.set_unit("partitions");
  auto& held = *t.add_evidence();
  held.set_topic("deliveries");
  held.set_partition(3);
  held.set_offset(1234);
  EXPECT_EQ(english(t), "Record deliveries/3/1234 held: the market's clock waits for a decision");
  EXPECT_EQ(chinese(t), "记录 deliveries/3/1234 被暂扣，市场时钟等待裁定");
  t.set_value(2);
  EXPECT_EQ(
      english(t),
      "Records held in 2 partitions of deliveries, such as deliveries/3/1234: the market's clock waits for a decision");
  EXPECT_EQ(chinese(t), "deliveries 有 2 个分区的记录被暂扣（如 deliveries/3/1234），市场时钟等待裁定");
  t.set_state(Transition::RESOLVED);
  EXPECT_EQ(english(t), "Decided: no record of deliveries is held any more");
  EXPECT_EQ(chinese(t), "已裁定：deliveries 不再有暂扣的记录");
}

TEST(AlertSentence, StatusOfAnOpenAlert) {
  const auto status = [](const Transition& t, Millis now, Language language = Language::en) {
    return alert_status(t, shanghai(), now, language);
  };
  auto t = transition("R1", Transition::FIRING);
  EXPECT_EQ(status(t, kNoon + 2 * kDayMs), "out of stock for 2d 00h");
  EXPECT_EQ(status(t, kNoon + 90 * kMinuteMs, Language::zh), "已断货 1小时 30分");
  t.set_state(Transition::RESOLVED);
  EXPECT_EQ(status(t, kNoon + 2 * kDayMs), english(t));
  t = transition("R2", Transition::FIRING, 150, 200);
  EXPECT_EQ(status(t, kNoon), "expected to run out in 1.5 days");
  EXPECT_EQ(status(t, kNoon + kDayMs, Language::zh), "预计 0.5 天后断货");
  EXPECT_EQ(status(t, kNoon + 20 * kDayMs), "expected to be out of stock since 12 March");
  EXPECT_EQ(status(t, kNoon + 20 * kDayMs, Language::zh), "预计3月12日起已断货");
  t.set_rule("R5");
  EXPECT_EQ(status(t, kNoon), english(t));
}

// ---- lengths of time

TEST(Texts, Ages) {
  EXPECT_EQ(age_text(-5, Language::en), "0m");
  EXPECT_EQ(age_text(59 * kMinuteMs, Language::en), "59m");
  EXPECT_EQ(age_text(127 * kMinuteMs, Language::en), "2h 07m");
  EXPECT_EQ(age_text(3 * kDayMs + 4 * 60 * kMinuteMs, Language::zh), "3天 04小时");
}

TEST(Texts, Durations) {
  EXPECT_EQ(parse_duration("90m"), 90 * kMinuteMs);
  EXPECT_EQ(parse_duration("12h"), kDayMs / 2);
  EXPECT_EQ(parse_duration("2d"), 2 * kDayMs);
  EXPECT_EQ(parse_duration("1w"), 7 * kDayMs);
  EXPECT_EQ(parse_duration("36525d"), 36'525 * kDayMs);
  for (const auto* wrong : {"", "d", "2", "0d", "-1d", "2x", "2dd", "1.5d", " 2d", "36526d", "99999999999999999999w"}) {
    EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
  }
}

TEST(Texts, Languages) {
  EXPECT_EQ(language_named("zh"), Language::zh);
  EXPECT_EQ(language_named("de"), std::nullopt);
}

// ---- rows

Alert alert() {
  Alert alert;
  auto& t = *alert.mutable_last();
  t.set_alert_id("0123456789abcdef");
  t.set_transition(1);
  t.set_episode(1);
  t.set_rule("R1");
  t.set_state(Transition::FIRING);
  t.set_severity(Transition::CRITICAL);
  t.set_since_ms(1'772'424'000'000);  // 2026-03-02T12:00 in Shanghai
  t.set_at_ms(t.since_ms());
  t.set_known_at_ms(t.since_ms());
  t.set_brand_id("LARK");
  t.set_outlet_id("o1");
  return alert;
}

std::vector<std::string> texts(const std::vector<TableCell>& cells) {
  std::vector<std::string> texts;
  for (const auto& cell : cells) texts.push_back(cell.text().value_or("-"));
  return texts;
}

TEST(AlertTable, HasSentenceAgeAndHandling) {
  const MarketCalendar calendar("Asia/Shanghai");
  auto one = alert();
  const auto now = one.last().since_ms() + 2 * kDayMs;
  one.set_acked_by("ann");
  one.set_assignee("bob");
  EXPECT_EQ(
      texts(alert_cells(one, calendar, now, Language::en)),
      (std::vector<std::string>{"critical", "firing", "R1 stockout", "Stockout: visit on 2 March counted 0", "LARK",
                                "-", "o1", "-", "2026-03-02 12:00", "2d 00h", "acked by ann, owner bob", "01234567"}));
  for (const auto language : kLanguagesTested) {
    EXPECT_EQ(alert_columns(language).size(), alert_cells(one, calendar, now, language).size());
  }
  EXPECT_EQ(alert_style(one, now), RowStyle::red);
  auto& silence = *one.add_silenced();
  silence.set_starts_ms(now + 1);
  silence.set_ends_ms(now + 2);
  EXPECT_EQ(alert_style(one, now), RowStyle::red) << "the silence has not begun";
  EXPECT_EQ(alert_style(one, now + 1), RowStyle::faint);
  EXPECT_EQ(alert_style(one, now + 2), RowStyle::red);
  one.set_true_alarm(true);
  constexpr std::size_t kHandling = 10;
  EXPECT_EQ(texts(alert_cells(one, calendar, now + 1, Language::en))[kHandling],
            "acked by ann, owner bob, confirmed, silenced");
  EXPECT_EQ(texts(alert_cells(one, calendar, now + 1, Language::zh))[kHandling],
            "ann 已受理，负责人 bob，属实，已静默");
}

TEST(AlertTable, CsvHasTheNamesOfTheContract) {
  const MarketCalendar calendar("Asia/Shanghai");
  const auto columns = alert_csv_columns();
  const auto cells = texts(alert_csv_cells(alert(), calendar));
  ASSERT_EQ(columns.size(), cells.size());
  std::map<std::string, std::string> row;
  for (std::size_t i = 0; i < columns.size(); ++i) row[columns[i].name] = cells[i];
  EXPECT_EQ(row["state"], "FIRING");
  EXPECT_EQ(row["severity"], "critical");
  EXPECT_EQ(row["since"], "2026-03-02T12:00:00.000+08:00");
  EXPECT_EQ(row["acked_by"], "-");
}

}  // namespace
}  // namespace fiverate
