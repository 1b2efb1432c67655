// Words for people and rows of alerts: complete in both languages, exact to the character.
#include "cli/screen/words.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "cli/screen/alert_table.h"

namespace fiverate {
namespace {

constexpr std::array kBoth{Language::en, Language::zh};

TEST(Words, AllAreThereInBothLanguages) {
  for (const auto language : kBoth) {
    for (std::size_t i = 0; i < kWords; ++i) EXPECT_FALSE(word(static_cast<Word>(i), language).empty()) << i;
    for (const auto state : {Transition::FIRING, Transition::RESOLVED, Transition::RETRACTED}) {
      EXPECT_NE(state_word(state, language), state_word(Transition::STATE_UNSPECIFIED, language));
    }
    for (const auto severity : {Transition::INFO, Transition::WARNING, Transition::CRITICAL}) {
      EXPECT_NE(severity_word(severity, language), severity_word(Transition::SEVERITY_UNSPECIFIED, language));
    }
    for (const auto* rule : {"R1", "R2", "R3", "R5", "R6"}) EXPECT_GT(rule_words(rule, language).size(), 3U) << rule;
    EXPECT_EQ(rule_words("R99", language), "R99");
  }
  EXPECT_EQ(state_word(Transition::FIRING, Language::zh), "预警中");
}

TEST(Words, ASentenceHasTheNumbers) {
  Transition t;
  t.set_unit("units");
  const auto says = [&](const std::string& rule, std::int64_t value, std::int64_t threshold,
                        Language language = Language::en) {
    t.set_rule(rule);
    t.set_value(value);
    t.set_threshold(threshold);
    return alert_sentence(t, language);
  };
  EXPECT_EQ(says("R1", 0, 0), "a visit counted none: out of stock");
  EXPECT_EQ(says("R2", 3'000'000, 4'000'000), "stock for about 1.5 days");
  EXPECT_EQ(says("R5", 200, 90, Language::zh), "库存约够 100.0 天");
  EXPECT_EQ(says("R5", 200, 0), "stock, and no sales");
  EXPECT_EQ(says("R3", 12, 60), "12 of 60 outlet-SKUs out of stock (20.0%)");
  EXPECT_EQ(says("R3", 12, 60, Language::zh), "60 个户品规中 12 个断货(20.0%)");
  EXPECT_EQ(says("R6", 300, 100), "stock is 3.0 times the sales of four weeks");
  EXPECT_EQ(says("R6", 300, 0), "300 / 0 units") << "nothing is divided by zero";
  EXPECT_EQ(says("R77", 5, 3), "5 / 3 units");
}

TEST(Words, AnAlertAsItStandsNow) {
  Transition t;
  t.set_rule("R1");
  t.set_state(Transition::FIRING);
  t.set_since_ms(0);
  EXPECT_EQ(alert_words(t, 2 * kDayMs, Language::en), "out of stock for 2d 00h");
  EXPECT_EQ(alert_words(t, 90 * kMinuteMs, Language::zh), "已断货 1小时 30分");
  t.set_state(Transition::RESOLVED);
  EXPECT_EQ(alert_words(t, 2 * kDayMs, Language::en), "in stock again");
  t.set_rule("R2");
  t.set_state(Transition::FIRING);
  t.set_value(150);
  t.set_threshold(200);
  EXPECT_EQ(alert_words(t, 0, Language::en), "will run dry in 1.5 days");
  EXPECT_EQ(alert_words(t, kDayMs, Language::zh), "约 0.5 天后断货");
  EXPECT_EQ(alert_words(t, 2 * kDayMs, Language::en), "has probably run dry");
  t.set_rule("R5");
  EXPECT_EQ(alert_words(t, 0, Language::en), alert_sentence(t, Language::en));
}

TEST(Words, Ages) {
  EXPECT_EQ(age_words(-5, Language::en), "0m");
  EXPECT_EQ(age_words(59 * kMinuteMs, Language::en), "59m");
  EXPECT_EQ(age_words(127 * kMinuteMs, Language::en), "2h 07m");
  EXPECT_EQ(age_words(3 * kDayMs + 4 * 60 * kMinuteMs, Language::zh), "3天 04小时");
}

TEST(Words, Durations) {
  EXPECT_EQ(parse_duration("90m"), 90 * kMinuteMs);
  EXPECT_EQ(parse_duration("12h"), kDayMs / 2);
  EXPECT_EQ(parse_duration("2d"), 2 * kDayMs);
  EXPECT_EQ(parse_duration("1w"), 7 * kDayMs);
  EXPECT_EQ(parse_duration("36525d"), 36'525 * kDayMs);
  for (const auto* wrong : {"", "d", "2", "0d", "-1d", "2x", "2dd", "1.5d", " 2d", "36526d", "99999999999999999999w"}) {
    EXPECT_EQ(parse_duration(wrong), std::nullopt) << wrong;
  }
}

TEST(Words, Languages) {
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

TEST(AlertTable, ForPeople) {
  const MarketCalendar calendar("Asia/Shanghai");
  auto one = alert();
  const auto now = one.last().since_ms() + 2 * kDayMs;
  one.set_acked_by("ann");
  one.set_assignee("bob");
  EXPECT_EQ(texts(alert_cells(one, calendar, now, Language::en)),
            (std::vector<std::string>{"critical", "firing", "R1 stockout", "a visit counted none: out of stock", "LARK",
                                      "-", "o1", "-", "2026-03-02 12:00", "2d 00h", "0", "+ann >bob", "01234567"}));
  for (const auto language : kBoth) {
    EXPECT_EQ(alert_columns(language).size(), alert_cells(one, calendar, now, language).size());
  }
  EXPECT_EQ(alert_style(one, now), RowStyle::red);
  auto& silence = *one.add_silenced();
  silence.set_starts_ms(now + 1);
  silence.set_ends_ms(now + 2);
  EXPECT_EQ(alert_style(one, now), RowStyle::red) << "the silence has not begun";
  EXPECT_EQ(alert_style(one, now + 1), RowStyle::faint);
  EXPECT_EQ(alert_style(one, now + 2), RowStyle::red);
}

TEST(AlertTable, ForPrograms) {
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
