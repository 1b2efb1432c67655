// Labels, names and lengths of time as a person reads them, in English and Chinese. The sentences about alerts are in
// alert_sentence.h. JSON and CSV use the names of the contract in every language.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "alerts.pb.h"
#include "cli/config/principal.h"
#include "schemas/time.h"

namespace fiverate {

enum class Language : std::uint8_t { en, zh };
inline constexpr std::size_t kLanguages = 2;

// One text in both languages: English, Chinese.
using Translations = std::array<std::string_view, kLanguages>;
constexpr std::string_view in(Language language, const Translations& text) {
  return text[static_cast<std::size_t>(language)];
}

// "en" or "zh"; nothing for any other name.
std::optional<Language> language_named(std::string_view name);
// Chinese if the first of LC_ALL, LC_MESSAGES and LANG that is set begins with "zh", else English.
Language language_of_environment();

// Titles and headers of tables.
enum class Label : std::uint8_t {
  severity,
  state,
  rule,
  details,
  brand,
  sku,
  outlet,
  region,
  since,
  age,
  handling,
  alert_id,
  open_alerts,
  latest_changes,
  more_alerts,
  more_rates,
  more_rows,
  stop_with_ctrl_c,
  as_of,
  rows,
  class_value,
  window,
  buying,
  coverage,
  on_shelf,
  sell_through,
  stockout_rate,
  growth,
  net_delivered_units,
  buying_outlets,
  active_outlets,
  status,
  market,
  low_sample,
  market_title,
  quarantined,
  brands,
  brands_of_month,
  whole_market,
  no_data,
  time,
  number,
  author,
  event_time,
};
inline constexpr std::size_t kLabels = static_cast<std::size_t>(Label::event_time) + 1;
std::string_view label(Label label, Language language);

std::string_view state_text(Transition::State state, Language language);
std::string_view severity_text(Transition::Severity severity, Language language);
// "R1 stockout". An unknown rule is shown by its number alone.
std::string rule_text(std::string_view rule, Language language);
// The authors of commands that an authenticated Kafka connection has sent are its principals, such as "User:ops".
inline bool is_principal(std::string_view author) {
  return author.starts_with(kPrincipalPrefix);
}
// "User:ops"; "ann (unverified)".
std::string author_text(const std::string& author, Language language);
// "3d 04h", "2h 07m", "5m". A negative age is shown as 0.
std::string age_text(Millis age, Language language);
// "2026-03-02 12:00", in the market's time zone; "-" for kNever.
std::string minute_text(Millis instant, const MarketCalendar& calendar);

// Reads a duration: a positive integer followed by m, h, d or w ("90m", "2d"). Nothing if the text is another one, or
// the duration is longer than a hundred years.
std::optional<Millis> parse_duration(std::string_view text);

}  // namespace fiverate
