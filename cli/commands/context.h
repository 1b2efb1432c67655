// What every command starts from: configuration read, log set up, Kafka settings made. Built once in main.
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
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;  // failed, or differs
inline constexpr int kExitUsage = 2;   // bad usage or configuration

// Ends the program with a message and an exit code; caught once, in main.
class ExitError : public std::runtime_error {
 public:
  ExitError(int code, const std::string& what) : std::runtime_error(what), code_(code) {}
  [[nodiscard]] int code() const { return code_; }

 private:
  int code_;
};

// The value, or the end of the command with the error's sentence.
template <typename T>
T or_exit(Result<T> result) {
  if (!result) throw ExitError(kExitFailed, result.error().what);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Options that all commands share.
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
  [[nodiscard]] Definition definition() const;
  // The topics as this configuration wants them.
  [[nodiscard]] TopicPlan topic_plan() const;
};

// A day given on the command line.
Day day_argument(const std::string& text, const char* option);
// The output mode of a command, from its -o.
OutputMode output_argument(const std::string& flag, const TextOutput& out);

}  // namespace fiverate
