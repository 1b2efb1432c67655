#include "cli/config/settings.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "schemas/did_you_mean.h"
#include "schemas/format.h"
#include "schemas/time.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

constexpr std::size_t kPrefixBytesMax = 200;  // Kafka allows 249 for the whole topic name
constexpr std::int32_t kPartitionsMax = 1024;
constexpr std::int32_t kThreadsMax = 256;
constexpr std::int32_t kOutletDayDocumentsMax = 1'000'000;
constexpr std::int32_t kReplicasMax = std::numeric_limits<std::int16_t>::max();  // an int16 in Kafka's protocol

constexpr std::array<std::string_view, 3> kClockNames{"log", "marks", "wall"};
constexpr std::array<std::string_view, 2> kOnStopNames{"leave", "keep"};
constexpr std::array<std::string_view, 5> kLevelNames{"trace", "debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> kFormatNames{"text", "json"};

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::optional<std::string> expected_prefix(std::string_view text) {
  const bool legal = std::all_of(text.begin(), text.end(),
                                 [](char c) { return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-'; });
  if (legal && text.size() <= kPrefixBytesMax) return std::nullopt;
  return fmt::format("at most {} letters, digits, '.', '_' and '-'", kPrefixBytesMax);
}

std::optional<std::string> expected_zone(std::string_view text) {
  try {
    const MarketCalendar calendar{std::string(text)};
    return std::nullopt;
  } catch (const std::exception&) {
    return "a time zone of the tz database such as Asia/Shanghai";
  }
}

std::optional<std::string> expected_folder(std::string_view text) {
  if (!text.empty() && text.find('\0') == std::string_view::npos) return std::nullopt;
  return "the path of a folder";
}

std::optional<std::string> expected_folder_or_nothing(std::string_view text) {
  return text.empty() ? std::nullopt : expected_folder(text);
}

// Only the form is checked here; listening fails if the address is not one of this machine.
std::optional<std::string> expected_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (text.empty() || (colon != std::string_view::npos && colon > 0 && colon + 1 < text.size())) return std::nullopt;
  return "an address and port such as 127.0.0.1:8081";
}

// ---- the table

using Integer = Setting::Integer;
using Text = Setting::Text;
using Choice = Setting::Choice;
using Set = Setting::Set;

template <auto Section, auto Field>
Integer integer(std::int32_t lowest, std::int32_t highest) {
  return {[](Config& config) -> std::int32_t& { return config.*Section.*Field; }, lowest, highest};
}

template <auto Section, auto Field>
Text text(std::string_view kind, std::optional<std::string> (*expected)(std::string_view)) {
  return {[](Config& config) -> std::string& { return config.*Section.*Field; }, expected, kind};
}

template <auto Section, auto Field>
Choice choice(std::span<const std::string_view> names) {
  return {[](const Config& config) { return static_cast<std::size_t>(config.*Section.*Field); },
          [](Config& config, std::size_t index) {
            auto& field = config.*Section.*Field;
            field = static_cast<std::remove_reference_t<decltype(field)>>(index);
          },
          names};
}

// `kItem` is the item of a name, by the index of the name.
template <auto Section, auto Field, auto kItem, std::size_t kCount>
Set set_of(const std::array<std::string_view, kCount>& names) {
  return {[](const Config& config) {
            std::vector<bool> chosen;
            const auto& field = config.*Section.*Field;
            for (std::size_t i = 0; i < kCount; ++i) chosen.push_back(field.has(kItem(i)));
            return chosen;
          },
          [](Config& config, const std::vector<bool>& chosen) {
            auto& field = config.*Section.*Field;
            field = {};
            for (std::size_t i = 0; i < chosen.size(); ++i) {
              if (chosen[i]) field.insert(kItem(i));
            }
          },
          names};
}

const std::vector<Setting>& table() {
  using C = Config;
  static const std::vector<Setting> kTable{
      {"topics", "prefix", text<&C::topics, &C::Topics::prefix>("text", expected_prefix),
       "Prefix of all topic names, for several markets on one cluster."},
      {"topics", "source_partitions", integer<&C::topics, &C::Topics::source_partitions>(1, kPartitionsMax),
       "Partitions of each of orders, deliveries and visits. Once the topics exist, `topics extend` adds more."},
      {"topics", "ledger_partitions", integer<&C::topics, &C::Topics::ledger_partitions>(1, kPartitionsMax),
       "Partitions of the ledger, which is the number of outlet tasks. Fixed once the topics exist."},
      {"topics", "market_partitions", integer<&C::topics, &C::Topics::market_partitions>(1, kPartitionsMax),
       "Partitions of deltas, signals and results, which is the number of market tasks. Fixed once the topics exist."},
      {"topics", "replication", integer<&C::topics, &C::Topics::replication>(1, kReplicasMax),
       "Replicas of every partition; 3 in production."},
      {"market", "timezone", text<&C::market, &C::Market::timezone>("a time zone", expected_zone),
       "Time zone of the business days."},
      {"market", "outlet_day_documents_max",
       integer<&C::market, &C::Market::outlet_day_documents_max>(1, kOutletDayDocumentsMax),
       "Most documents of one outlet whose event_time is on one business day, pending ones included; a further one is "
       "quarantined. Fixed once the topics exist."},
      {"rates", "measures", set_of<&C::rates, &Selection::measures, measure_group>(kMeasureGroupNames),
       "Groups of measures that are computed, stored and published; see "
       "[the glossary](glossary.md#what-a-market-computes). Fixed once the topics exist."},
      {"rates", "windows", set_of<&C::rates, &Selection::windows, window_index>(kWindowNames),
       "Windows that are computed, stored and published: days, or the calendar month. Fixed once the topics exist."},
      {"intake", "clock", choice<&C::intake, &C::Intake::clock>(kClockNames),
       "Clock of the market: as recorded in its log (marks of the producer, until `topics live`), or the one that "
       "`run` has "
       "to "
       "find there. With wall `run` makes a market without records live."},
      {"import", "outlier_days", integer<&C::import, &C::Import::outlier_days>(1, 1'000'000),
       "An event that arrives more than so many days before or after all others is refused by import, simulate and "
       "replay, unless --yes is given. A quarter of it applies to at most one in a thousand events."},
      {"state", "dir", text<&C::state, &C::State::dir>("a folder", expected_folder), "Folder of the local state."},
      {"state", "memory_mib", integer<&C::state, &C::State::memory_mib>(64, 1'048'576),
       "Memory of a `fiverate run` process in MiB, beside its overhead of 128 MiB; `run` refuses a cgroup with less."},
      {"run", "intake_threads", integer<&C::run, &C::Run::intake_threads>(1, kThreadsMax),
       "Threads of the intake stage in this process."},
      {"run", "outlet_threads", integer<&C::run, &C::Run::outlet_threads>(1, kThreadsMax),
       "Threads of the outlet stage in this process."},
      {"run", "market_threads", integer<&C::run, &C::Run::market_threads>(1, kThreadsMax),
       "Threads of the market stage in this process."},
      {"run", "desk_threads", integer<&C::run, &C::Run::desk_threads>(1, kThreadsMax),
       "Threads of the alert manager (stage desk) in this process."},
      {"run", "commit_every_ms", integer<&C::run, &C::Run::commit_every_ms>(10, 60'000),
       "Longest time between two commits, in milliseconds; also what a crash may repeat."},
      {"run", "standby", integer<&C::run, &C::Run::standby>(0, kPartitionsMax),
       "Standby copies that this process keeps for each stage, of tasks of other processes, to take over at once."},
      {"run", "on_stop", choice<&C::run, &C::Run::on_stop>(kOnStopNames),
       "Behaviour at a stop: leave the consumer groups, so that others take over at once, or keep the membership for a "
       "restart."},
      {"run", "health", text<&C::run, &C::Run::health>("an address and port, or nothing", expected_address),
       "Address and port that serve /livez and /readyz, such as 127.0.0.1:8081. Empty: none."},
      {"snapshots", "dir", text<&C::snapshots, &C::Snapshots::dir>("a folder, or nothing", expected_folder_or_nothing),
       "Shared folder for snapshots of the states. Empty: no snapshots."},
      {"snapshots", "every_s", integer<&C::snapshots, &C::Snapshots::every_s>(1, 86'400 * 7),
       "Seconds between two snapshots of a task."},
      {"snapshots", "keep", integer<&C::snapshots, &C::Snapshots::keep>(1, 1'000),
       "Number of snapshots that are kept of each task."},
      {"log", "level", choice<&C::log, &C::Log::level>(kLevelNames), "Lowest level of log messages that are written."},
      {"log", "format", choice<&C::log, &C::Log::format>(kFormatNames), "Format of log lines: text or JSON."},
  };
  return kTable;
}

std::vector<std::string> chosen_names(const Set& set, const Config& config) {
  std::vector<std::string> names;
  const auto chosen = set.get(config);
  for (std::size_t i = 0; i < set.names.size(); ++i) {
    if (chosen[i]) names.emplace_back(set.names[i]);
  }
  return names;
}

// A name in a list of TOML.
std::string literal(std::string_view name) {
  const bool is_number = std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? std::string(name) : in_quotes(name);
}

// The parts between commas, without spaces around them.
std::vector<std::string> listed(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const auto end = std::min(text.find(',', from), text.size());
    auto part = text.substr(from, end - from);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    parts.emplace_back(part);
    from = end + 1;
  }
  return parts;
}

}  // namespace

std::span<const Setting> settings() {
  return table();
}

std::string Setting::name() const {
  return fmt::format("{}.{}", section, key);
}

std::string Setting::variable() const {
  return std::string(kVariablePrefix) + upper_name(name());
}

std::string Setting::kind() const {
  if (const auto* integer = std::get_if<Integer>(&value)) {
    return fmt::format("an integer {}..{}", integer->lowest, integer->highest);
  }
  if (const auto* text = std::get_if<Text>(&value)) return std::string(text->kind);
  if (const auto* set = std::get_if<Set>(&value)) {
    std::vector<std::string> names;
    for (const auto name : set->names) names.push_back(literal(name));
    return fmt::format("a list of one or more of {}", fmt::join(names, ", "));
  }
  std::string out;
  const auto& names = std::get<Choice>(value).names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " or " : ", ";
    out += in_quotes(names[i]);
  }
  return out;
}

bool Setting::is_text() const {
  return std::holds_alternative<Text>(value) || std::holds_alternative<Choice>(value);
}

std::string Setting::toml(const Config& config) const {
  const auto* set = std::get_if<Set>(&value);
  if (set == nullptr) return is_text() ? in_quotes(read(config)) : read(config);
  auto names = chosen_names(*set, config);
  for (auto& name : names) name = literal(name);
  return fmt::format("[{}]", fmt::join(names, ", "));
}

std::string Setting::read(const Config& config) const {
  if (const auto* set = std::get_if<Set>(&value)) return fmt::format("{}", fmt::join(chosen_names(*set, config), ","));
  if (const auto* choice = std::get_if<Choice>(&value)) return std::string(choice->names[choice->get(config)]);
  Config copy = config;  // the accessors return a reference to a field that is not const
  if (const auto* integer = std::get_if<Integer>(&value)) return fmt::to_string(integer->in(copy));
  return std::get<Text>(value).in(copy);
}

// ---- finding and setting

const Setting* setting_named(std::string_view section, std::string_view key) {
  const auto found = std::find_if(table().begin(), table().end(),
                                  [&](const Setting& each) { return each.section == section && each.key == key; });
  return found == table().end() ? nullptr : &*found;
}

std::vector<std::string> section_names() {
  std::vector<std::string> names{std::string(kKafka)};
  for (const Setting& setting : table()) {
    if (names.back() != setting.section) names.emplace_back(setting.section);
  }
  return names;
}

bool is_section(std::string_view name) {
  const auto names = section_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<std::string> assign(const Setting& setting, const std::vector<std::string>& given, Config& config) {
  const auto* set = std::get_if<Set>(&setting.value);
  if (set == nullptr || given.empty()) return setting.kind();
  std::vector<bool> chosen(set->names.size());
  for (const auto& name : given) {
    const auto found = std::ranges::find(set->names, name);
    if (found == set->names.end()) return setting.kind();
    chosen[static_cast<std::size_t>(found - set->names.begin())] = true;
  }
  set->set(config, chosen);
  return std::nullopt;
}

std::optional<std::string> assign(const Setting& setting, std::string_view given, Config& config) {
  if (std::holds_alternative<Set>(setting.value)) return assign(setting, listed(given), config);
  if (const auto* integer = std::get_if<Integer>(&setting.value)) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), number);
    if (error != std::errc{} || end != given.data() + given.size() || number < integer->lowest ||
        number > integer->highest) {
      return setting.kind();
    }
    integer->in(config) = static_cast<std::int32_t>(number);
    return std::nullopt;
  }
  if (const auto* text = std::get_if<Text>(&setting.value)) {
    if (auto expected = text->expected(given)) return expected;
    text->in(config) = given;
    return std::nullopt;
  }
  const auto& choice = std::get<Choice>(setting.value);
  const auto found = std::find(choice.names.begin(), choice.names.end(), given);
  if (found == choice.names.end()) return setting.kind();
  choice.set(config, static_cast<std::size_t>(found - choice.names.begin()));
  return std::nullopt;
}

std::string did_you_mean_key(std::string_view section, std::string_view key) {
  std::vector<std::string> here;
  std::vector<std::string> elsewhere;
  for (const Setting& setting : table()) {
    if (setting.section == section) here.emplace_back(setting.key);
    if (setting.key == key) elsewhere.push_back(setting.name());
  }
  if (auto suggestion = did_you_mean(key, here); !suggestion.empty()) return suggestion;
  return elsewhere.empty() ? std::string() : fmt::format("; did you mean {}?", in_quotes(elsewhere.front()));
}

// ---- names

std::string upper_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c == '.' || c == '-') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

}  // namespace fiverate
