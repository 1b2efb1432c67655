#include "cli/commands/context.h"

#include <librdkafka/rdkafka.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>

#include "cli/screen/message.h"
#include "processors/stages/topology.h"
#include "schemas/json_text.h"
#include "schemas/visible_text.h"

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

// Writes the message on one line, without secrets and control characters; with `in_json` as a JSON string.
class SafeMessage final : public spdlog::custom_flag_formatter {
 public:
  explicit SafeMessage(bool in_json) : in_json_(in_json) {}
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    append(in_json_ ? in_quotes(without_secrets(text)) : message_text(text), out);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<SafeMessage>(in_json_); }

 private:
  bool in_json_;
};

void set_up_log(const Config::Log& log) {
  auto logger = spdlog::stderr_logger_mt("fiverate");
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  const bool in_json = log.format == LogFormat::json;
  formatter->add_flag<SafeMessage>('J', in_json)
      .set_pattern(in_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%J})"
                           : "%Y-%m-%d %H:%M:%S.%e %l %J");
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
  hide_secrets_of(config().kafka.properties);
  set_up_log(config().log);
  kafka = {config().kafka.properties, config().topics.prefix};
  if (auto good = check_properties(kafka); !good) throw ExitError(kExitUsage, good.error().what);
}

PartitionCounts Context::partitions() const {
  return {config().topics.source_partitions, config().topics.ledger_partitions, config().topics.market_partitions};
}

AcceptanceLimits Context::limits() const {
  AcceptanceLimits limits;
  limits.outlet_day_documents_max = config().market.outlet_day_documents_max;
  return limits;
}

Definition Context::definition() const {
  return make_definition(config().market.timezone, partitions(), limits(), config().rates);
}

std::int32_t Context::shown_window() const {
  constexpr std::int32_t kUsual = 28;
  const auto& windows = config().rates.windows;
  for (const auto w : windows) {
    if (kWindows[w] == kUsual) return kUsual;
  }
  return kWindows[*(windows.end() - 1)];
}

TopicPlan Context::topic_plan(const Definition& definition) const {
  TopicPlan plan;
  plan.partitions = partition_counts(definition);
  plan.replication_factor = config().topics.replication;
  plan.definition = [first = without_extensions(definition)](Topic topic) { return definition_record(topic, first); };
  return plan;
}

Day day_argument(const std::string& text, const char* option) {
  const auto day = parse_date(text);
  if (!day)
    throw ExitError(kExitUsage,
                    fmt::format("Invalid day \"{1}\" for {0}. Use a date such as 2026-03-02.", option, text));
  return *day;
}

OutputMode output_argument(const OutputArguments& arguments, TextOutput& out) {
  const auto& flag = arguments.mode;
  const auto mode = output_mode(flag.empty() ? std::nullopt : std::optional<std::string_view>(flag), out.is_terminal());
  if (!mode) throw ExitError(kExitUsage, fmt::format("Invalid output \"{}\" for -o. Use table, json or csv.", flag));
  if (arguments.raw_csv && *mode != OutputMode::csv) throw ExitError(kExitUsage, "--csv-raw needs -o csv.");
  out.set_raw_csv(arguments.raw_csv);
  return *mode;
}

}  // namespace fiverate
