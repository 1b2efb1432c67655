// Words for people, in English and Chinese, in one place. JSON and CSV are for programs and know one language: the
// contract's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "alerts.pb.h"
#include "schemas/time.h"

namespace fiverate {

enum class Language : std::uint8_t { en, zh };
inline constexpr std::size_t kLanguages = 2;

// "en" or "zh", nothing for any other.
std::optional<Language> language_named(std::string_view name);
// From LC_ALL, LC_MESSAGES or LANG, the first that is set: Chinese if it begins with "zh".
Language language_of_environment();

// Headers of tables and titles.
enum class Word : std::uint8_t {
  severity,
  state,
  rule,
  what,
  brand,
  sku,
  outlet,
  region,
  since,
  age,
  value,
  people,
  alert_id,
  open_alerts,
  newest,
  more,
  ends_with,
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
  small_sample,
  fiverate_market,
  quarantined,
  brands_in,
  whole_market,
  days,
  none_yet,
  not_shown,
};
inline constexpr std::size_t kWords = static_cast<std::size_t>(Word::not_shown) + 1;
std::string_view word(Word word, Language language);

std::string_view state_word(Transition::State state, Language language);
std::string_view severity_word(Transition::Severity severity, Language language);
// "R1 stockout"; a rule without a name is called by its number.
std::string rule_words(std::string_view rule, Language language);
// What the transition says, in one sentence with its numbers.
std::string alert_sentence(const Transition& transition, Language language);
// The same as it stands now, for a line of its own: "out of stock for 2d 04h", "will run dry in 1.5 days".
std::string alert_words(const Transition& transition, Millis now, Language language);
// "3d 04h", "2h 07m", "5m"; not negative.
std::string age_words(Millis age, Language language);

// A length of time given by a person: a positive integer and m, h, d or w ("90m", "2d"). Nothing if it is none, or
// longer than a hundred years.
std::optional<Millis> parse_duration(std::string_view text);

}  // namespace fiverate
