#include "cli/screen/words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "schemas/format.h"

namespace fiverate {
namespace {

using Both = std::array<std::string_view, kLanguages>;  // English, Chinese

constexpr std::array<Both, kWords> kWordTable{{
    {"severity", "级别"},
    {"state", "状态"},
    {"rule", "规则"},
    {"what", "内容"},
    {"brand", "品牌"},
    {"SKU", "品规"},
    {"outlet", "零售户"},
    {"region", "区域"},
    {"since", "起始时间"},
    {"age", "持续"},
    {"value", "数值"},
    {"people", "处理人"},
    {"alert", "预警号"},
    {"open alerts", "未解除预警"},
    {"newest transitions", "最新变化"},
    {"more: --brand, --region, --rule, --severity narrow it",
     "条未显示:可用 --brand、--region、--rule、--severity 筛选"},
    {"Ctrl-C ends", "Ctrl-C 结束"},
    {"as of", "截至"},
    {"rows", "行"},
    {"class", "客户分类"},
    {"window", "窗口"},
    {"buying", "进货户率"},
    {"coverage", "覆盖率"},
    {"on shelf", "上柜率"},
    {"sell-through", "动销率"},
    {"stockout", "断货率"},
    {"growth", "成长率"},
    {"net units", "净送货量"},
    {"buying outlets", "进货户数"},
    {"active outlets", "活跃户数"},
    {"status", "状态"},
    {"(market)", "(全市场)"},
    {"* fewer than 30", "* 样本不足 30"},
    {"fiverate, the market now", "fiverate 市场实时"},
    {"quarantined", "隔离记录"},
    {"brands,", "品牌,"},
    {"whole market", "全市场"},
    {"days", "天"},
    {"none so far", "暂无"},
    {"more", "条未显示"},
}};

constexpr std::array<Both, 4> kStates{
    {{"unknown", "未知"}, {"firing", "预警中"}, {"resolved", "已解除"}, {"retracted", "已撤回"}}};
constexpr std::array<Both, 4> kSeverities{
    {{"unknown", "未知"}, {"info", "提示"}, {"warning", "警告"}, {"critical", "严重"}}};

struct RuleName {
  std::string_view rule;
  Both name;
};
constexpr std::array<RuleName, 5> kRules{{
    {"R1", {"stockout", "断货"}},
    {"R2", {"stockout ahead", "即将断货"}},
    {"R3", {"regional stockout", "区域断货"}},
    {"R5", {"overstock", "积压"}},
    {"R6", {"regional overstock", "区域积压"}},
}};

std::string_view in(Language language, const Both& both) {
  return both[static_cast<std::size_t>(language)];
}

// a / b with one decimal.
std::string quotient(std::int64_t a, std::int64_t b) {
  return fmt::format("{:.1f}", static_cast<double>(a) / static_cast<double>(b));
}

}  // namespace

std::optional<Language> language_named(std::string_view name) {
  if (name == "en") return Language::en;
  if (name == "zh") return Language::zh;
  return std::nullopt;
}

Language language_of_environment() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0')
      return std::string_view(value).starts_with("zh") ? Language::zh : Language::en;
  }
  return Language::en;
}

std::string_view word(Word word, Language language) {
  return in(language, kWordTable[static_cast<std::size_t>(word)]);
}

std::string_view state_word(Transition::State state, Language language) {
  return in(language, kStates[static_cast<std::size_t>(Transition::State_IsValid(state) ? state : 0)]);
}

std::string_view severity_word(Transition::Severity severity, Language language) {
  return in(language, kSeverities[static_cast<std::size_t>(Transition::Severity_IsValid(severity) ? severity : 0)]);
}

std::string rule_words(std::string_view rule, Language language) {
  const auto found =
      std::find_if(kRules.begin(), kRules.end(), [&](const RuleName& each) { return each.rule == rule; });
  return found == kRules.end() ? std::string(rule) : fmt::format("{} {}", rule, in(language, found->name));
}

// The thresholds of R2 and R5 are 2 and 45 days of sales, so value and threshold say for how many days the stock lasts.
std::string alert_sentence(const Transition& transition, Language language) {
  const bool zh = language == Language::zh;
  const auto value = transition.value();
  const auto threshold = transition.threshold();
  const auto& rule = transition.rule();
  if (rule == "R1") {
    if (transition.state() == Transition::RESOLVED) return zh ? "已有货" : "in stock again";
    return zh ? "走访清点为 0,已断货" : "a visit counted none: out of stock";
  }
  if (rule == "R2" && threshold > 0) {
    return fmt::format(fmt::runtime(zh ? "库存约够 {} 天" : "stock for about {} days"), quotient(2 * value, threshold));
  }
  if (rule == "R5") {
    if (threshold <= 0) return zh ? "有库存,无销售" : "stock, and no sales";
    return fmt::format(fmt::runtime(zh ? "库存约够 {} 天" : "stock for about {} days"),
                       quotient(45 * value, threshold));
  }
  if (rule == "R3" && threshold > 0) {
    return fmt::format(fmt::runtime(zh ? "{1} 个户品规中 {0} 个断货({2}%)" : "{} of {} outlet-SKUs out of stock ({}%)"),
                       value, threshold, quotient(100 * value, threshold));
  }
  if (rule == "R6" && threshold > 0) {
    return fmt::format(fmt::runtime(zh ? "库存为四周销量的 {} 倍" : "stock is {} times the sales of four weeks"),
                       quotient(value, threshold));
  }
  return fmt::format("{} / {} {}", value, threshold, transition.unit());
}

std::string alert_words(const Transition& transition, Millis now, Language language) {
  const bool zh = language == Language::zh;
  const auto& rule = transition.rule();
  if (rule == "R1" && transition.state() == Transition::FIRING) {
    return fmt::format(fmt::runtime(zh ? "已断货 {}" : "out of stock for {}"),
                       age_words(now - transition.since_ms(), language));
  }
  if (rule == "R2" && transition.threshold() > 0) {
    // What was there when the rule was asked has been sold from since.
    const auto lasts = 2 * static_cast<double>(transition.value()) / static_cast<double>(transition.threshold());
    const auto left = lasts - static_cast<double>(std::max<Millis>(now - transition.at_ms(), 0)) / kDayMs;
    if (left < 0.05) return zh ? "预计已断货" : "has probably run dry";
    return fmt::format(fmt::runtime(zh ? "约 {:.1f} 天后断货" : "will run dry in {:.1f} days"), left);
  }
  return alert_sentence(transition, language);
}

std::string age_words(Millis age, Language language) {
  const auto minutes = std::max<Millis>(age, 0) / kMinuteMs;
  const auto pair = [&](Millis large, const Both& large_unit, Millis small, const Both& small_unit) {
    return fmt::format("{}{} {:02}{}", large, in(language, large_unit), small, in(language, small_unit));
  };
  constexpr Both kDays{"d", "天"}, kHours{"h", "小时"}, kMinutes{"m", "分"};
  if (minutes >= 24 * 60) return pair(minutes / (24 * 60), kDays, minutes / 60 % 24, kHours);
  if (minutes >= 60) return pair(minutes / 60, kHours, minutes % 60, kMinutes);
  return fmt::format("{}{}", minutes, in(language, kMinutes));
}

std::optional<Millis> parse_duration(std::string_view text) {
  constexpr Millis kLongest = 36'525 * kDayMs;
  Millis count = 0;
  const auto* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc{} || unit + 1 != end || count <= 0 || count > kLongest) return std::nullopt;
  const Millis length = *unit == 'm'   ? kMinuteMs
                        : *unit == 'h' ? 60 * kMinuteMs
                        : *unit == 'd' ? kDayMs
                        : *unit == 'w' ? 7 * kDayMs
                                       : 0;
  if (length == 0 || count > kLongest / length) return std::nullopt;
  return count * length;
}

}  // namespace fiverate
