#include "cli/commands/context.h"

#include <librdkafka/rdkafka.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>

#include "processors/stages/topology.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

// librdkafka's message about a property that it does not accept.
std::optional<std::string> property_problem(const std::string& name, const std::string& value) {
  std::array<char, 512> reason{};
  auto* const conf = rd_kafka_conf_new();
  const auto result = rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason.data(), reason.size());
  rd_kafka_conf_destroy(conf);
  if (result == RD_KAFKA_CONF_OK) return std::nullopt;
  if (result == RD_KAFKA_CONF_UNKNOWN) return "unknown to librdkafka";
  return std::string(reason.data());
}

std::vector<std::string> property_names() {
  auto* const conf = rd_kafka_conf_new();
  std::size_t count = 0;
  const char** const dump = rd_kafka_conf_dump(conf, &count);
  std::vector<std::string> names{"bootstrap.servers"};  // an alias, which is not in the dump
  for (std::size_t i = 0; i + 1 < count; i += 2) names.emplace_back(dump[i]);
  rd_kafka_conf_dump_free(dump, count);
  rd_kafka_conf_destroy(conf);
  return names;
}

// Writes the message as a JSON string, so that a message with line ends is still one line of the log.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    append_json_string({message.payload.data(), message.payload.size()}, out);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonMessage>(); }
};

void set_up_log(const Config::Log& log) {
  auto logger = spdlog::stderr_logger_mt("fiverate");
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JsonMessage>('J').set_pattern(
      log.format == LogFormat::json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%J})"
                                    : "%Y-%m-%d %H:%M:%S.%e %l %v");
  logger->set_formatter(std::move(formatter));
  constexpr std::array kLevels{spdlog::level::trace, spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                               spdlog::level::err};
  logger->set_level(kLevels[static_cast<std::size_t>(log.level)]);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

Context::Context(const GlobalOptions& options)
    : loaded(load_config([&] {
        ConfigSources sources;
        if (!options.config_file.empty()) sources.file = options.config_file;
        sources.environment = fiverate_environment();
        sources.overrides = options.overrides;
        sources.kafka_check = property_problem;
        sources.kafka_names = property_names();
        return sources;
      }())) {
  set_up_log(config().log);
  kafka = {config().kafka.properties, config().topics.prefix};
  if (auto good = check_properties(kafka); !good) throw ExitError(kExitUsage, good.error().what);
}

PartitionCounts Context::partitions() const {
  return {config().topics.source_partitions, config().topics.ledger_partitions, config().topics.market_partitions};
}

Definition Context::definition() const {
  return make_definition(config().market.timezone, partitions());
}

TopicPlan Context::topic_plan() const {
  TopicPlan plan;
  plan.partitions = partitions();
  plan.wall_clock = config().intake.clock == IntakeClock::wall;
  plan.replication_factor = config().topics.replication;
  plan.definition = [ours = definition()](Topic topic) { return definition_record(topic, ours); };
  return plan;
}

Day day_argument(const std::string& text, const char* option) {
  const auto day = parse_date(text);
  if (!day)
    throw ExitError(kExitUsage,
                    fmt::format("Invalid day \"{1}\" for {0}. Use a date such as 2026-03-02.", option, text));
  return *day;
}

OutputMode output_argument(const std::string& flag, const TextOutput& out) {
  const auto mode = output_mode(flag.empty() ? std::nullopt : std::optional<std::string_view>(flag), out.is_terminal());
  if (!mode) throw ExitError(kExitUsage, fmt::format("Invalid output \"{}\" for -o. Use table, json or csv.", flag));
  return *mode;
}

}  // namespace fiverate
