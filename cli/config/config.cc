#include "cli/config/config.h"

#include <fmt/ranges.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "cli/config/settings.h"
#include "schemas/did_you_mean.h"
#include "schemas/format.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

using Integer = Setting::Integer;

constexpr std::string_view kFileVariable = "FIVERATE_CONFIG";
// Variables of scripts and tests. A name that ends in '*' is a prefix.
constexpr std::array<std::string_view, 4> kIgnoredVariables{"FIVERATE_CONFIG", "FIVERATE_KAFKA_JARS",
                                                            "FIVERATE_QUICKSTART_DIR", "FIVERATE_TEST_*"};
constexpr std::size_t kFileBytesMax = std::size_t{1} << 20U;  // a larger file is not a configuration

// BOOTSTRAP_SERVERS -> bootstrap.servers
std::string kafka_name_of(std::string_view variable_suffix) {
  std::string out(variable_suffix);
  for (char& c : out) {
    if (c == '_') c = '.';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// librdkafka has two names for the list of brokers. One name is used, so that a later layer overrides an earlier one.
std::string canonical_kafka_name(std::string name) {
  return name == "metadata.broker.list" ? "bootstrap.servers" : std::move(name);
}

bool is_ignored(std::string_view variable) {
  return std::any_of(kIgnoredVariables.begin(), kIgnoredVariables.end(), [&](std::string_view ignored) {
    return ignored.ends_with('*') ? variable.starts_with(ignored.substr(0, ignored.size() - 1)) : variable == ignored;
  });
}

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a decimal number";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time";
    case toml::node_type::date_time:
      return "a date and time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

// Removes numbers from a message of toml++, since a number may be a password without quotes.
std::string without_numbers(std::string_view description) {
  const auto open = description.find('\'');
  const auto close = description.find('\'', open + 1);
  if (open == std::string_view::npos || close == std::string_view::npos || close - open < 3 ||
      std::string_view("0123456789+-.").find(description[open + 1]) == std::string_view::npos) {
    return std::string(description);
  }
  return fmt::format("{}the number{}", description.substr(0, open), description.substr(close + 1));
}

std::string read_whole(const std::filesystem::path& path) {
  const auto refuse = [&](std::string_view why) -> ConfigError {
    return ConfigError(fmt::format("{}: {}", path.string(), why));
  };
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw refuse("no such configuration file");
  if (std::filesystem::is_directory(path, ignored)) throw refuse("is a folder, not a configuration file");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw refuse("cannot be opened");
  std::string bytes(kFileBytesMax + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (in.bad()) throw refuse("cannot be read");
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  if (bytes.size() > kFileBytesMax) throw refuse("is larger than 1 MiB, so it is not a configuration file");
  return bytes;
}

// Reads the layers one after another into one Config. Collects the problems and the origin of each value.
class Loader {
 public:
  explicit Loader(const ConfigSources& sources) : sources_(sources) {}

  LoadedConfig load() {
    if (const auto path = file_to_read()) read_file(*path);
    read_environment();
    read_overrides();
    if (!problems_.empty()) throw ConfigError(fmt::format("{}", fmt::join(problems_, "\n")));
    return {config_, effective_values()};
  }

 private:
  [[nodiscard]] std::optional<std::filesystem::path> file_to_read() const {
    if (sources_.file) return sources_.file;
    for (const auto& [name, value] : sources_.environment) {
      if (name == kFileVariable && !value.empty()) return value;
    }
    std::error_code ignored;
    if (std::filesystem::exists(sources_.default_file, ignored)) return sources_.default_file;
    return std::nullopt;
  }

  // -- file

  void read_file(const std::filesystem::path& path) {
    file_ = path.string();
    const std::string bytes = read_whole(path);
    toml::table root;
    try {
      root = toml::parse(std::string_view(bytes));
    } catch (const toml::parse_error& error) {
      throw ConfigError(fmt::format("{}: {}", position(error.source()), without_numbers(error.description())));
    }
    for (const auto& [section, node] : root) {
      if (!is_section(section.str())) {
        unknown_section(section, node);
      } else if (!node.is_table()) {
        file_problem(node.source(),
                     fmt::format("[{}] is a section: expected a table, got {}", section.str(), type_name(node)));
      } else if (section.str() == kKafka) {
        read_kafka_table(*node.as_table(), "");
      } else {
        read_section(section.str(), *node.as_table());
      }
    }
    // toml++ sorts tables by name; the problems are listed in the order of lines.
    std::stable_sort(file_problems_.begin(), file_problems_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [line, text] : file_problems_) problems_.push_back(std::move(text));
  }

  void unknown_section(const toml::key& section, const toml::node& node) {
    if (node.is_table()) {
      file_problem(section.source(),
                   fmt::format("unknown section [{}]{}", section.str(), did_you_mean(section.str(), section_names())));
    } else {
      file_problem(section.source(), fmt::format("unknown key {} outside of every section{}", in_quotes(section.str()),
                                                 did_you_mean_key("", section.str())));
    }
  }

  void read_section(std::string_view section, const toml::table& table) {
    for (const auto& [key, node] : table) {
      const Setting* setting = setting_named(section, key.str());
      if (setting == nullptr) {
        file_problem(key.source(), fmt::format("unknown key {} in [{}]{}", in_quotes(key.str()), section,
                                               did_you_mean_key(section, key.str())));
        continue;
      }
      read_setting(*setting, node);
    }
  }

  void read_setting(const Setting& setting, const toml::node& node) {
    if (std::holds_alternative<Setting::Set>(setting.value)) {
      read_set(setting, node);
      return;
    }
    const bool wants_integer = std::holds_alternative<Integer>(setting.value);
    if (wants_integer ? !node.is_integer() : !node.is_string()) {
      file_problem(node.source(),
                   fmt::format("{}: expected {}, got {}", setting.name(), setting.kind(), type_name(node)));
      return;
    }
    const std::string given = wants_integer ? fmt::to_string(**node.as_integer()) : **node.as_string();
    if (const auto expected = assign(setting, given, config_)) {
      file_problem(node.source(), fmt::format("{}: expected {}, got {}", setting.name(), *expected,
                                              wants_integer ? given : in_quotes(given)));
      return;
    }
    origins_[setting.name()] = line_of(node);
  }

  // The items are names, or numbers that are names.
  void read_set(const Setting& setting, const toml::node& node) {
    std::string got(type_name(node));
    if (const auto* array = node.as_array()) {
      std::vector<std::string> names;
      std::vector<std::string> shown;
      for (const auto& item : *array) {
        const auto* const text = item.as_string();
        const auto* const number = item.as_integer();
        names.push_back(text != nullptr ? **text : number != nullptr ? fmt::to_string(**number) : std::string());
        shown.push_back(text != nullptr     ? in_quotes(**text)
                        : number != nullptr ? names.back()
                                            : std::string(type_name(item)));
      }
      if (!assign(setting, names, config_)) {
        origins_[setting.name()] = line_of(node);
        return;
      }
      got = fmt::format("[{}]", fmt::join(shown, ", "));
    }
    file_problem(node.source(), fmt::format("{}: expected {}, got {}", setting.name(), setting.kind(), got));
  }

  // A dotted name is a nested table unless it is quoted; both forms name the same property.
  void read_kafka_table(const toml::table& table, const std::string& parent) {
    for (const auto& [key, node] : table) {
      std::string name = parent + std::string(key.str());
      if (const auto* nested = node.as_table()) {
        read_kafka_table(*nested, name + ".");
      } else {
        read_kafka_value(key, canonical_kafka_name(std::move(name)), node);
      }
    }
  }

  void read_kafka_value(const toml::key& key, const std::string& name, const toml::node& node) {
    std::string value;
    if (node.is_string()) {
      value = **node.as_string();
    } else if (node.is_integer()) {
      value = fmt::to_string(**node.as_integer());
    } else if (node.is_boolean()) {
      value = **node.as_boolean() ? "true" : "false";
    } else {
      file_problem(node.source(), fmt::format("kafka.{}: expected a string, an integer or true or false, got {}", name,
                                              type_name(node)));
      return;
    }
    if (const auto earlier = origins_.find(kafka_origin(name)); earlier != origins_.end()) {
      file_problem(key.source(), fmt::format("kafka.{} is set twice, also at {}", name, earlier->second));
      return;
    }
    if (const auto wrong = set_kafka(name, value, line_of(node))) {
      file_problem(key.source(), fmt::format("kafka.{}: {}", name, *wrong));
    }
  }

  // -- environment

  void read_environment() {
    for (const auto& [variable, value] : sources_.environment) {
      if (is_ignored(variable) || !variable.starts_with(kVariablePrefix)) continue;
      if (variable.starts_with(kKafkaVariablePrefix) && variable.size() > kKafkaVariablePrefix.size()) {
        const auto name = canonical_kafka_name(kafka_name_of(variable.substr(kKafkaVariablePrefix.size())));
        if (const auto wrong = set_kafka(name, value, "env " + variable)) {
          problems_.push_back(fmt::format("environment variable {}: {}", variable, *wrong));
        }
        continue;
      }
      read_variable(variable, value);
    }
  }

  void read_variable(const std::string& variable, const std::string& value) {
    const auto setting = std::find_if(settings().begin(), settings().end(),
                                      [&](const Setting& each) { return each.variable() == variable; });
    if (setting == settings().end()) {
      std::vector<std::string> known{std::string(kFileVariable)};
      for (const Setting& each : settings()) known.push_back(each.variable());
      problems_.push_back(fmt::format("environment variable {} is unknown{}", variable, did_you_mean(variable, known)));
      return;
    }
    set_from_text(*setting, value, "environment variable " + variable, "env " + variable);
  }

  // -- flags

  void read_overrides() {
    for (const std::string& override : sources_.overrides) {
      const auto equals = override.find('=');
      const auto dot = override.find('.');
      const std::string name =
          override.substr(0, override.find_first_of("= "));  // messages omit the value, since it may be a secret
      if (equals != name.size() || dot == std::string::npos || dot + 1 >= equals) {
        problems_.push_back(fmt::format("flag {}: expected section.key=value", in_quotes(name)));
        continue;
      }
      read_override(name, name.substr(0, dot), name.substr(dot + 1), override.substr(equals + 1));
    }
  }

  void read_override(const std::string& name, const std::string& section, const std::string& key,
                     const std::string& value) {
    if (section == kKafka) {
      if (const auto wrong = set_kafka(canonical_kafka_name(key), value, "flag")) {
        problems_.push_back(fmt::format("flag {}: {}", name, *wrong));
      }
    } else if (const Setting* setting = setting_named(section, key)) {
      set_from_text(*setting, value, "flag " + name, "flag");
    } else if (!is_section(section)) {
      problems_.push_back(
          fmt::format("flag {}: unknown section [{}]{}", name, section, did_you_mean(section, section_names())));
    } else {
      problems_.push_back(fmt::format("flag {}: unknown key {} in [{}]{}", name, in_quotes(key), section,
                                      did_you_mean_key(section, key)));
    }
  }

  // -- all layers

  void set_from_text(const Setting& setting, const std::string& value, const std::string& where,
                     const std::string& origin) {
    if (const auto expected = assign(setting, value, config_)) {
      problems_.push_back(fmt::format("{}: expected {}, got {}", where, *expected, in_quotes(value)));
      return;
    }
    origins_[setting.name()] = origin;
  }

  // Sets the property, or returns the problem with it.
  std::optional<std::string> set_kafka(const std::string& name, const std::string& value, const std::string& origin) {
    if (sources_.kafka_check) {
      if (const auto wrong = sources_.kafka_check(name, value)) {
        return why_refused(name, *wrong);
      }
    }
    config_.kafka.properties[name] = value;
    origins_[kafka_origin(name)] = origin;
    return std::nullopt;
  }

  // The message of librdkafka. It repeats the value, so for a secret there is another message.
  [[nodiscard]] std::string why_refused(const std::string& name, const std::string& wrong) const {
    const auto& known = sources_.kafka_names;
    if (!known.empty() && std::find(known.begin(), known.end(), name) == known.end()) {
      return "no such property of librdkafka" + did_you_mean(name, known);
    }
    return is_secret(name) ? "refused by librdkafka (the value is not shown)" : wrong;
  }

  [[nodiscard]] std::vector<EffectiveValue> effective_values() const {
    const auto origin_of = [&](const std::string& name) {
      const auto found = origins_.find(name);
      return found == origins_.end() ? std::string("default") : found->second;
    };
    std::vector<EffectiveValue> values;
    for (const auto& [name, value] : config_.kafka.properties) {
      values.push_back({std::string(kKafka), name, value, origin_of(kafka_origin(name)), true});
    }
    for (const Setting& setting : settings()) {
      const bool is_text = setting.is_text();
      values.push_back({std::string(setting.section), std::string(setting.key),
                        is_text ? setting.read(config_) : setting.toml(config_), origin_of(setting.name()), is_text});
    }
    return values;
  }

  static std::string kafka_origin(const std::string& name) { return std::string(kKafka) + "." + name; }

  [[nodiscard]] std::string position(const toml::source_region& region) const {
    return fmt::format("{}:{}:{}", file_, region.begin.line, region.begin.column);
  }
  [[nodiscard]] std::string line_of(const toml::node& node) const {
    return fmt::format("{}:{}", file_, node.source().begin.line);
  }
  void file_problem(const toml::source_region& region, const std::string& text) {
    file_problems_.emplace_back(std::pair{region.begin.line, region.begin.column},
                                fmt::format("{}: {}", position(region), text));
  }

  const ConfigSources& sources_;
  Config config_;
  std::string file_;
  std::map<std::string, std::string> origins_;                                                  // by section.key
  std::vector<std::pair<std::pair<std::uint32_t, std::uint32_t>, std::string>> file_problems_;  // line and column first
  std::vector<std::string> problems_;
};

}  // namespace

LoadedConfig load_config(const ConfigSources& sources) {
  return Loader(sources).load();
}

std::vector<std::pair<std::string, std::string>> fiverate_environment() {
  std::vector<std::pair<std::string, std::string>> found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (!text.starts_with(kVariablePrefix) || equals == std::string_view::npos) continue;
    found.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  std::sort(found.begin(), found.end());  // the order of messages does not depend on the system
  return found;
}

}  // namespace fiverate
