// The start of every command: reads the configuration, sets up the log, makes the Kafka settings. Built once in main.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cli/config/config.h"
#include "cli/screen/console.h"
#include "ledger.pb.h"
#include "processors/edge/kafka_admin.h"
#include "processors/edge/kafka_client.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;  // the command failed, or a comparison found differences
inline constexpr int kExitUsage = 2;   // bad usage or configuration

// Ends the program with a message and an exit code. main catches it.
class ExitError : public std::runtime_error {
 public:
  ExitError(int code, const std::string& what) : std::runtime_error(what), code_(code) {}
  [[nodiscard]] int code() const { return code_; }

 private:
  int code_;
};

// Returns the value, or ends the program with the message of the error.
template <typename T>
T or_exit(Result<T> result) {
  if (!result) throw ExitError(kExitFailed, result.error().what);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// The same with the exit code of bad usage.
template <typename T>
T or_usage_error(Result<T> result) {
  if (!result) throw ExitError(kExitUsage, result.error().what);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Options of every command.
struct GlobalOptions {
  std::string config_file;
  std::vector<std::string> overrides;  // section.key=value
};

struct Context {
  LoadedConfig loaded;
  KafkaSettings kafka;

  explicit Context(const GlobalOptions& options);
  [[nodiscard]] const Config& config() const { return loaded.config; }
  [[nodiscard]] PartitionCounts partitions() const;
  [[nodiscard]] AcceptanceLimits limits() const;
  [[nodiscard]] Definition definition() const;
  // The window that a screen shows unless another one is given: 28 days, or else the longest one of the market.
  [[nodiscard]] std::int32_t shown_window() const;
  // The topics of a market with this definition (market_definition.h).
  [[nodiscard]] TopicPlan topic_plan(const Definition& definition) const;
};

// Parses a day on the command line, such as 2026-03-02. Ends the program if it is none.
Day day_argument(const std::string& text, const char* option);
// Parses the argument of -o and prepares `out` for it. Ends the program if it is no output mode.
OutputMode output_argument(const OutputArguments& arguments, TextOutput& out);

}  // namespace fiverate
