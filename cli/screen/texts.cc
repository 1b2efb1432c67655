#include "cli/screen/texts.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "schemas/format.h"

namespace fiverate {
namespace {

// In the order of Label.
constexpr std::array<Translations, kLabels> kLabelTable{{
    {"severity", "级别"},
    {"state", "状态"},
    {"rule", "规则"},
    {"details", "说明"},
    {"brand", "品牌"},
    {"SKU", "品规"},
    {"outlet", "零售户"},
    {"region", "区域"},
    {"since", "起始时间"},
    {"age", "持续时间"},
    {"handling", "处理情况"},
    {"alert", "预警编号"},
    {"open alerts", "未解除预警"},
    {"latest changes", "最新变化"},
    {"more; use --brand, --region, --rule or --severity to filter",
     "条未显示，可用 --brand、--region、--rule、--severity 筛选"},
    {"more; use --brand, --region, --class or --window to filter",
     "行未显示，可用 --brand、--region、--class、--window 筛选"},
    {"more", "条未显示"},
    {"Ctrl-C to stop", "按 Ctrl-C 退出"},
    {"as of", "截至"},
    {"rows", "行"},
    {"class", "客户分类"},
    {"window", "统计周期"},
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
    {"(market)", "（全市场）"},
    {"* sample below 30", "* 样本不足 30"},
    {"fiverate market", "fiverate 市场实时"},
    {"quarantined", "隔离记录"},
    {"brands, {}, last {} days", "品牌，{}，近 {} 天"},
    {"brands, {}, month to date", "品牌，{}，本月"},
    {"whole market", "全市场"},
    {"no data yet", "暂无数据"},
    {"time", "时间"},
    {"number", "序号"},
    {"rule or author", "规则/处理人"},
    {"event time", "发生时间"},
}};

constexpr std::array<Translations, 4> kStates{
    {{"unknown", "未知"}, {"firing", "预警中"}, {"resolved", "已解除"}, {"retracted", "已撤回"}}};
constexpr std::array<Translations, 4> kSeverities{
    {{"unknown", "未知"}, {"info", "提示"}, {"warning", "警告"}, {"critical", "严重"}}};

struct RuleName {
  std::string_view rule;
  Translations name;
};
constexpr std::array<RuleName, 6> kRules{{
    {"R1", {"stockout", "断货"}},
    {"R2", {"predicted stockout", "即将断货"}},
    {"R3", {"regional stockout", "区域断货"}},
    {"R5", {"overstock", "积压"}},
    {"R6", {"regional overstock", "区域积压"}},
    {"R16", {"data quality", "数据质量"}},
}};

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

std::string_view label(Label label, Language language) {
  return in(language, kLabelTable[static_cast<std::size_t>(label)]);
}

std::string_view state_text(Transition::State state, Language language) {
  return in(language, kStates[static_cast<std::size_t>(Transition::State_IsValid(state) ? state : 0)]);
}

std::string_view severity_text(Transition::Severity severity, Language language) {
  return in(language, kSeverities[static_cast<std::size_t>(Transition::Severity_IsValid(severity) ? severity : 0)]);
}

std::string rule_text(std::string_view rule, Language language) {
  const auto found =
      std::find_if(kRules.begin(), kRules.end(), [&](const RuleName& each) { return each.rule == rule; });
  return found == kRules.end() ? std::string(rule) : fmt::format("{} {}", rule, in(language, found->name));
}

std::string author_text(const std::string& author, Language language) {
  return is_principal(author) ? author : fmt::format("{}{}", author, in(language, {" (unverified)", "（未验证）"}));
}

std::string age_text(Millis age, Language language) {
  const auto minutes = std::max<Millis>(age, 0) / kMinuteMs;
  const auto pair = [&](Millis large, const Translations& large_unit, Millis small, const Translations& small_unit) {
    return fmt::format("{}{} {:02}{}", large, in(language, large_unit), small, in(language, small_unit));
  };
  constexpr Translations kDays{"d", "天"}, kHours{"h", "小时"}, kMinutes{"m", "分"};
  if (minutes >= 24 * 60) return pair(minutes / (24 * 60), kDays, minutes / 60 % 24, kHours);
  if (minutes >= 60) return pair(minutes / 60, kHours, minutes % 60, kMinutes);
  return fmt::format("{}{}", minutes, in(language, kMinutes));
}

std::string minute_text(Millis instant, const MarketCalendar& calendar) {
  constexpr std::size_t kThroughMinute = 16;
  if (instant == kNever) return "-";
  auto text = calendar.format(instant).substr(0, kThroughMinute);
  std::replace(text.begin(), text.end(), 'T', ' ');
  return text;
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
