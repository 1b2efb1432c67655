#include "cli/screen/alert_sentence.h"

#include <algorithm>
#include <cmath>

#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::int64_t kPredictedDays = 2;   // R2 compares the level with the sales of so many days
constexpr std::int64_t kOverstockDays = 45;  // R5 likewise
constexpr std::int64_t kSoldDownDays = 35;   // R5 resolves at this level

// A text with {} places, in one language.
template <typename... Args>
std::string format_in(Language language, const Translations& text, const Args&... args) {
  return fmt::format(fmt::runtime(in(language, text)), args...);
}

// One decimal, left out where it is 0: "3.6", "7".
std::string short_number(double number) {
  const auto tenths = std::llround(number * 10);
  return tenths % 10 == 0 ? fmt::format("{}", tenths / 10) : fmt::format("{:.1f}", static_cast<double>(tenths) / 10);
}

std::string quotient(std::int64_t a, std::int64_t b) {
  return short_number(static_cast<double>(a) / static_cast<double>(b));
}

std::string units(std::int64_t millionths) {
  return quotient(millionths, 1'000'000);
}

// "10 March", "3月10日".
std::string day_text(Day day, Language language) {
  constexpr std::array<std::string_view, 12> kMonths{"January",   "February", "March",    "April",
                                                     "May",       "June",     "July",     "August",
                                                     "September", "October",  "November", "December"};
  const auto date = format_date(day);  // "2026-03-10"
  const auto month = std::stoul(date.substr(5, 2));
  const auto day_of_month = std::stoul(date.substr(8, 2));
  if (language == Language::zh) return fmt::format("{}月{}日", month, day_of_month);
  return fmt::format("{} {}", day_of_month, kMonths[month - 1]);
}

bool is_midnight(Millis instant, const MarketCalendar& calendar) {
  return instant == calendar.start_of(calendar.day_of(instant));
}

std::string stockout_firing(const Transition& t, const MarketCalendar& calendar, Language language) {
  const auto day = day_text(calendar.day_of(t.since_ms()), language);
  const auto is_declared = t.evidence_size() > 0 && t.evidence(0).topic() == "orders";
  return is_declared
             ? format_in(language, {"Stockout: order on {} declared a stock of 0", "断货：{}订单申报库存为 0"}, day)
             : format_in(language, {"Stockout: visit on {} counted 0", "断货：{}走访清点为 0"}, day);
}

// R1 ends with a fact, which is the second event of its evidence, or at a midnight when the outlet is not ACTIVE or the
// SKU is no longer listed. The second event may also be the last count.
std::string stockout_resolved(const Transition& t, const MarketCalendar& calendar, Language language) {
  const auto* second = t.evidence_size() > 1 ? &t.evidence(1) : nullptr;
  if (second != nullptr && second->topic() == "deliveries")
    return format_in(language, {"Restocked by delivery event {}", "已到货（送货事件 {}）"}, second->event_id());
  if (is_midnight(t.at_ms(), calendar)) {
    return std::string(second == nullptr ? in(language, {"Closed: outlet not active, or SKU no longer listed",
                                                         "已关闭：零售户非营业状态，或品规已下架"})
                                         : in(language, {"Ended: restocked, outlet not active, or SKU no longer listed",
                                                         "已结束：已补货、零售户非营业状态或品规已下架"}));
  }
  if (second == nullptr) return std::string(in(language, {"Restocked", "已补货"}));
  if (second->topic() == "visits")
    return format_in(language, {"Restocked: visit event {} counted stock", "已有货（走访事件 {} 清点有库存）"},
                     second->event_id());
  if (second->topic() == "orders")
    return format_in(language, {"Restocked: order event {} declared stock", "已有货（订单事件 {} 申报有库存）"},
                     second->event_id());
  return format_in(language, {"Restocked by event {}", "已补货（事件 {}）"}, second->event_id());
}

std::string stock_and_sales(const Transition& t, std::int64_t days, Language language) {
  return format_in(language, {"{} units left, sells {} a day", "剩余 {}，日均销量 {}"}, units(t.value()),
                   units(t.threshold() / days));
}

std::string prediction_sentence(const Transition& t, const MarketCalendar& calendar, Language language) {
  if (t.state() != Transition::RESOLVED) {
    return format_in(language, {"{}; alert below {}", "{}；低于 {} 时预警"},
                     stock_and_sales(t, kPredictedDays, language), units(t.threshold()));
  }
  const auto rate = t.threshold() / kPredictedDays;
  if (rate > 0 && t.value() >= 3 * rate)
    return format_in(language, {"Enough again: {}", "库存已恢复：{}"}, stock_and_sales(t, kPredictedDays, language));
  const bool after_a_record = !is_midnight(t.at_ms(), calendar);
  if (after_a_record && t.value() == 0)
    return std::string(in(language, {"Prediction ended: stock is 0 by the last count", "预测结束：最近清点库存为 0"}));
  return std::string(
      in(language, {"Prediction withdrawn: last count older than 28 days, no sales, or outlet not active",
                    "预测撤销：最近清点已超过 28 天、无销量，或零售户非营业状态"}));
}

std::string overstock_sentence(const Transition& t, Language language) {
  const auto rate = t.threshold() / kOverstockDays;
  const auto supply = rate > 0 ? format_in(language, {"{} ({} days)", "{}（可销 {} 天）"},
                                           stock_and_sales(t, kOverstockDays, language), quotient(t.value(), rate))
                               : format_in(language, {"{} units left, no sales", "剩余 {}，无销量"}, units(t.value()));
  if (t.state() != Transition::RESOLVED)
    return format_in(language, {"{}; alert above {} days", "{}；超过 {} 天时预警"}, supply, kOverstockDays);
  if (t.value() <= kSoldDownDays * rate) return format_in(language, {"Sold down: {}", "库存已消化：{}"}, supply);
  return std::string(in(language, {"Closed: outlet not active, or no delivery in 90 days",
                                   "已关闭：零售户非营业状态，或 90 天内无送货"}));
}

std::string regional_stockout_sentence(const Transition& t, Language language) {
  const auto share = t.threshold() > 0 ? quotient(100 * t.value(), t.threshold()) : "0";
  const auto text = format_in(
      language,
      {"{2}% out of stock in 7 days: {0} of {1} outlet-SKU pairs", "近 7 天断货率 {2}%：{1} 个户品规中 {0} 个断货"},
      t.value(), t.threshold(), share);
  return t.state() == Transition::RESOLVED ? format_in(language, {"Recovered: {}", "已恢复：{}"}, text) : text;
}

std::string regional_overstock_sentence(const Transition& t, Language language) {
  const auto text =
      t.threshold() > 0
          ? format_in(language,
                      {"stock is {} times the sales of 28 days ({} / {} units)", "库存为 28 天销量的 {} 倍（{} / {}）"},
                      quotient(t.value(), t.threshold()), t.value(), t.threshold())
          : format_in(language, {"stock of {} units, no sales", "库存 {}，无销量"}, t.value());
  return t.state() == Transition::RESOLVED ? format_in(language, {"Recovered: {}", "已恢复：{}"}, text)
                                           : format_in(language, {"Overstock: {}", "积压：{}"}, text);
}

// "deliveries/3/1234"
std::string position_text(const Evidence& evidence) {
  return fmt::format("{}/{}/{}", evidence.topic(), evidence.partition(), evidence.offset());
}

std::string held_sentence(const Transition& t, Language language) {
  if (t.state() == Transition::RESOLVED)
    return format_in(language, {"Decided: no record of {} is held any more", "已裁定：{} 不再有暂扣的记录"},
                     t.source_topic());
  const auto position = t.evidence_size() > 0 ? position_text(t.evidence(0)) : t.source_topic();
  if (t.value() > 1) {
    return format_in(language,
                     {"Records held in {} partitions of {}, such as {}: the market's clock waits for a decision",
                      "{1} 有 {0} 个分区的记录被暂扣（如 {2}），市场时钟等待裁定"},
                     t.value(), t.source_topic(), position);
  }
  return format_in(language,
                   {"Record {} held: the market's clock waits for a decision", "记录 {} 被暂扣，市场时钟等待裁定"},
                   position);
}

std::string data_quality_sentence(const Transition& t, Language language) {
  if (t.unit() == "partitions") return held_sentence(t, language);
  const auto share = t.threshold() > 0 ? quotient(100 * t.value(), t.threshold()) : "0";
  const auto text = format_in(
      language, {"{2}% of a day's {3} rejected: {0} of {1} records", "{3} 当日拒收率 {2}%：{1} 条记录中 {0} 条被拒收"},
      t.value(), t.threshold(), share, t.source_topic());
  return t.state() == Transition::RESOLVED ? format_in(language, {"Recovered: {}", "已恢复：{}"}, text) : text;
}

}  // namespace

std::string alert_sentence(const Transition& t, const MarketCalendar& calendar, Language language) {
  const auto& rule = t.rule();
  if (t.state() == Transition::RETRACTED) {
    return std::string(in(language, {"Retracted: a late or corrected event shows that there was no stockout",
                                     "已撤回：补录或更正的单据表明当时并未断货"}));
  }
  if (rule == "R1") {
    return t.state() == Transition::RESOLVED ? stockout_resolved(t, calendar, language)
                                             : stockout_firing(t, calendar, language);
  }
  if (rule == "R2") return prediction_sentence(t, calendar, language);
  if (rule == "R3") return regional_stockout_sentence(t, language);
  if (rule == "R5") return overstock_sentence(t, language);
  if (rule == "R6") return regional_overstock_sentence(t, language);
  if (rule == "R16") return data_quality_sentence(t, language);
  return format_in(language, {"value {}, threshold {} {}", "数值 {}，阈值 {} {}"}, t.value(), t.threshold(), t.unit());
}

std::string alert_status(const Transition& t, const MarketCalendar& calendar, Millis now, Language language) {
  if (t.state() == Transition::FIRING && t.rule() == "R1")
    return format_in(language, {"out of stock for {}", "已断货 {}"}, age_text(now - t.since_ms(), language));
  if (t.state() == Transition::FIRING && t.rule() == "R2" && t.threshold() > 0) {
    // The prediction assumes that the stock of `at` has been sold at the same rate since then.
    const auto days = static_cast<double>(kPredictedDays * t.value()) / static_cast<double>(t.threshold());
    const auto runs_out = t.at_ms() + static_cast<Millis>(days * kDayMs);
    if (runs_out <= now) {
      return format_in(language, {"expected to be out of stock since {}", "预计{}起已断货"},
                       day_text(calendar.day_of(runs_out), language));
    }
    return format_in(language, {"expected to run out in {:.1f} days", "预计 {:.1f} 天后断货"},
                     static_cast<double>(runs_out - now) / kDayMs);
  }
  return alert_sentence(t, calendar, language);
}

}  // namespace fiverate
