// The configuration, read and checked once at the start. Later layers override earlier ones:
//
//   defaults  ->  fiverate.toml  ->  FIVERATE_SECTION_KEY  ->  flags (section.key=value)
//
// settings() is the table of all settings. Parsing, environment variables, `config show` and `config settings` derive from it.
// The section [kafka] is not in it: it holds librdkafka properties, which the caller checks.
//
// All problems of all layers (unknown name, wrong type, out of range) are reported together in one ConfigError, each with
// its position and the expected value. A message never contains the value of a secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "processors/trade/measures/selection.h"

namespace fiverate {

// Thrown at the start only. what() has one line for each problem; main prints it and exits with code 2.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class IntakeClock : std::uint8_t {
  log,    // as recorded in the market's log: marks of the producing tool, until the market goes live
  marks,  // not live: `run` refuses a live market
  wall,   // live: Kafka stamps the source records. `run` makes a market without records live, and refuses one on marks
};
enum class OnStop : std::uint8_t {
  leave,  // leave the consumer groups, so that other processes take over at once
  keep,   // stay a member until the session times out, for a restart
};
enum class LogLevel : std::uint8_t { trace, debug, info, warn, error };
enum class LogFormat : std::uint8_t { text, json };

// The initializers are the defaults. settings() has the meaning and the range of each.
struct Config {
  struct Kafka {
    std::map<std::string, std::string> properties{{"bootstrap.servers", "127.0.0.1:9092"}};
  } kafka;
  struct Topics {
    std::string prefix;
    std::int32_t source_partitions = 4;
    std::int32_t ledger_partitions = 4;
    std::int32_t market_partitions = 2;
    std::int32_t replication = 1;
  } topics;
  struct Market {
    std::string timezone = "Asia/Shanghai";
    std::int32_t outlet_day_documents_max = 10'000;
  } market;
  Selection rates;  // what the market computes and publishes
  struct Intake {
    IntakeClock clock = IntakeClock::log;
  } intake;
  struct Import {
    std::int32_t outlier_days = 400;
  } import;
  struct State {
    std::string dir = "fiverate-state";
    std::int32_t memory_mib = 1024;
  } state;
  struct Run {
    std::int32_t intake_threads = 1;
    std::int32_t outlet_threads = 1;
    std::int32_t market_threads = 1;
    std::int32_t desk_threads = 1;
    std::int32_t commit_every_ms = 500;
    std::int32_t standby = 0;
    OnStop on_stop = OnStop::leave;
    std::string health;
  } run;
  struct Snapshots {
    std::string dir;
    std::int32_t every_s = 600;
    std::int32_t keep = 3;
  } snapshots;
  struct Log {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
  } log;
};

// One setting. `value` has access to its field in a Config and knows the allowed values.
struct Setting {
  struct Integer {
    std::int32_t& (*in)(Config&);
    std::int32_t lowest;
    std::int32_t highest;
  };
  struct Text {
    std::string& (*in)(Config&);
    std::optional<std::string> (*expected)(std::string_view);  // nothing, or what is expected instead
    std::string_view kind;                                     // "text", "a folder", ...
  };
  struct Choice {
    std::size_t (*get)(const Config&);
    void (*set)(Config&, std::size_t);
    std::span<const std::string_view> names;
  };
  // One or more of the names. A name that is a number stands in a file without quotes.
  struct Set {
    std::vector<bool> (*get)(const Config&);  // by name: whether it is in the set
    void (*set)(Config&, const std::vector<bool>&);
    std::span<const std::string_view> names;
  };

  std::string_view section;
  std::string_view key;
  std::variant<Integer, Text, Choice, Set> value;
  std::string_view help;

  [[nodiscard]] std::string name() const;                      // "topics.prefix"
  [[nodiscard]] std::string variable() const;                  // "FIVERATE_TOPICS_PREFIX"
  [[nodiscard]] std::string kind() const;                      // "an integer 1..1024", "text", "\"marks\" or \"wall\""
  [[nodiscard]] std::string read(const Config& config) const;  // as in a variable or flag: "7,28"
  [[nodiscard]] std::string toml(const Config& config) const;  // as in a file: "[7, 28]"
  [[nodiscard]] bool is_text() const;                          // in a file it stands in quotes
};
std::span<const Setting> settings();  // in the order of the documentation

// Returns the problem of a librdkafka property, or nothing. Does not throw.
using KafkaCheck = std::function<std::optional<std::string>(const std::string& name, const std::string& value)>;

struct ConfigSources {
  std::optional<std::filesystem::path> file;                     // --config; must exist
  std::filesystem::path default_file = "fiverate.toml";          // read if it exists and no other file is given
  std::vector<std::pair<std::string, std::string>> environment;  // FIVERATE_*; FIVERATE_CONFIG is the same as --config
  std::vector<std::string> overrides;                            // "section.key=value"; the last one counts
  KafkaCheck kafka_check;                                        // empty: every property is accepted
  std::vector<std::string> kafka_names;                          // known properties, for "did you mean"; may be empty
};

// The environment variables whose names begin with FIVERATE_, sorted.
std::vector<std::pair<std::string, std::string>> fiverate_environment();

// A value in effect and its origin: "fiverate.toml:3", "env FIVERATE_TOPICS_PREFIX", "flag", "default".
struct EffectiveValue {
  std::string section;
  std::string key;
  std::string value;  // may be a secret: print shown_value() instead
  std::string origin;
  bool is_text = true;  // otherwise the value is TOML as it is
};

struct LoadedConfig {
  Config config;
  std::vector<EffectiveValue> values;  // [kafka] by name, then as in settings()
};

// Throws ConfigError.
LoadedConfig load_config(const ConfigSources& sources);

// True for a property whose value must not be shown: passwords, secrets, tokens, private keys.
bool is_secret(std::string_view key);
std::string shown_value(const EffectiveValue& value);

// The output of `config show`: TOML that reads back as the same configuration, without secrets. `with_origin` adds the
// origin of each value as a comment.
std::string show_config(const LoadedConfig& loaded, bool with_origin);

// The output of `config settings`: all settings as a Markdown table, which stands in docs/operating.md.
std::string config_reference();

}  // namespace fiverate
