// The configuration: what a person may set, checked once at start-up. Later layers win:
//
//   defaults  ->  fiverate.toml  ->  FIVERATE_SECTION_KEY  ->  flags (section.key=value)
//
// settings() is the one table of what can be set; parsing, environment, `config show` and the reference page come from
// it. [kafka] is the exception: it holds librdkafka properties verbatim, and the caller says which are good.
//
// Anything that is wrong (unknown name, wrong type, out of range, in any layer) is collected, and one ConfigError names
// them all, each with its place and what was expected. No value of a secret is ever part of a message.
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

namespace fiverate {

// Start-up only: main catches it, prints what() to stderr (a line for each problem) and exits with 2.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class IntakeClock : std::uint8_t {
  marks,  // the producing tool writes the marks, with its own timestamps (simulation, back-fill)
  wall,   // intake writes them, once a second (production; source topics use LogAppendTime)
};
enum class OnStop : std::uint8_t {
  leave,  // the group: others take over at once
  keep,   // the place in it until the session is over, for a restart
};
enum class LogLevel : std::uint8_t { trace, debug, info, warn, error };
enum class LogFormat : std::uint8_t { text, json };

// The initializers are the defaults. Meaning, range and limits of each: settings().
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
  } market;
  struct Intake {
    IntakeClock clock = IntakeClock::marks;
  } intake;
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

// One thing that can be set. `value` finds its place in a Config and says what may stand there.
struct Setting {
  struct Integer {
    std::int32_t& (*in)(Config&);
    std::int32_t lowest;
    std::int32_t highest;
  };
  struct Text {
    std::string& (*in)(Config&);
    std::optional<std::string> (*expected)(std::string_view);  // what is expected instead, if this is wrong
    std::string_view kind;                                     // "text", "a folder", ...
  };
  struct Choice {
    std::size_t (*get)(const Config&);
    void (*set)(Config&, std::size_t);
    std::span<const std::string_view> names;
  };

  std::string_view section;
  std::string_view key;
  std::variant<Integer, Text, Choice> value;
  std::string_view help;

  [[nodiscard]] std::string name() const;      // "topics.prefix"
  [[nodiscard]] std::string variable() const;  // "FIVERATE_TOPICS_PREFIX"
  [[nodiscard]] std::string kind() const;      // "an integer 1..1024", "text", "\"marks\" or \"wall\""
  [[nodiscard]] std::string read(const Config& config) const;
};
std::span<const Setting> settings();  // in the order of documentation

// Says what is wrong with a librdkafka property, if anything is. Does not throw.
using KafkaCheck = std::function<std::optional<std::string>(const std::string& name, const std::string& value)>;

struct ConfigSources {
  std::optional<std::filesystem::path> file;             // --config: has to exist
  std::filesystem::path default_file = "fiverate.toml";  // read if it exists and no other file is named
  std::vector<std::pair<std::string, std::string>>
      environment;                       // FIVERATE_*; FIVERATE_CONFIG names a file as --config does
  std::vector<std::string> overrides;    // "section.key=value", the last one wins
  KafkaCheck kafka_check;                // none: every property passes
  std::vector<std::string> kafka_names;  // known properties, for "did you mean"; may be empty
};

// The variables of this process whose names begin with FIVERATE_.
std::vector<std::pair<std::string, std::string>> fiverate_environment();

// A value in effect and where it comes from: "fiverate.toml:3", "env FIVERATE_TOPICS_PREFIX", "flag", "default".
struct EffectiveValue {
  std::string section;
  std::string key;
  std::string value;  // in the clear: print shown_value()
  std::string origin;
  bool is_number = false;
};

struct LoadedConfig {
  Config config;
  std::vector<EffectiveValue> values;  // [kafka] by name, then as in settings()
};

// Throws ConfigError.
LoadedConfig load_config(const ConfigSources& sources);

// A property whose value must not be shown: passwords, secrets, tokens, private keys.
bool is_secret(std::string_view key);
std::string shown_value(const EffectiveValue& value);

// `config show`: TOML that reads back as the same configuration (secrets apart), with the origin as a comment if asked.
std::string show_config(const LoadedConfig& loaded, bool with_origin);

// The settings as a Markdown table, for docs/.
std::string config_reference();

}  // namespace fiverate
