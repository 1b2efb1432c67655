// `status`: the progress and health of each stage and partition. `config`: the settings in effect, and all settings.
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/commands/market_definition.h"
#include "cli/commands/reading.h"
#include "cli/commands/task_positions.h"
#include "cli/live/health_server.h"
#include "cli/live/live.h"
#include "cli/screen/message.h"
#include "processors/runtime/foreign_record_monitor.h"
#include "processors/stages/topology.h"
#include "processors/trade/rows/rates.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

struct TaskStatus {
  Millis clock = kNever;
  std::optional<std::int64_t> state_bytes;
  std::int64_t repetitions = 0;
  std::optional<std::int64_t> alerts_open;
  std::int64_t records = 0;
  std::int64_t quarantined = 0;
  Millis held = kNever;  // the time to which a held record would move the clock

  // The share of quarantined records in those read since the task was opened; nothing if it has read none.
  [[nodiscard]] TableCell quarantine_rate() const {
    if (records <= 0) return std::nullopt;
    return millionths_text(millionths(quarantined, records));
  }
};

// From the text in the task's checkpoint.
TaskStatus parse_status(const std::optional<Checkpoint>& checkpoint) {
  TaskStatus status;
  if (checkpoint && checkpoint->source_clock().has_held()) status.held = checkpoint->source_clock().held().claimed_ms();
  const auto json = checkpoint ? nlohmann::json::parse(checkpoint->status(), nullptr, false) : nlohmann::json();
  if (!json.is_object()) return status;
  status.clock = json.value("clock_ms", kNever);
  if (checkpoint->state().empty()) status.state_bytes = json.value("state_bytes", std::int64_t{0});
  status.repetitions = json.value("repetitions", std::int64_t{0});
  status.records = json.value("records", std::int64_t{0});
  status.quarantined = json.value("quarantined", std::int64_t{0});
  if (json.contains("alerts_open")) status.alerts_open = json.value("alerts_open", std::int64_t{0});
  return status;
}

// The standby copies of the process whose health address is in this configuration. Only that process knows them.
std::string standbys_of(const std::string& address) {
  const auto answer = http_get(address, "/readyz");
  if (!answer) return fmt::format("standbys: unknown. {}\n", answer.error().what);
  const auto json = nlohmann::json::parse(*answer, nullptr, false);
  std::string text;
  for (const auto& copy :
       json.is_object() ? json.value("standbys", nlohmann::json::array()) : nlohmann::json::array()) {
    const auto behind = copy.value("behind_records", nlohmann::json());
    text += fmt::format("  {}  offset {}, {} records behind its owner\n", copy.value("task", "?"),
                        copy.value("offset", -1LL), behind.is_number() ? behind.dump() : "?");
  }
  return text.empty() ? fmt::format("standbys of the process at {}: none\n", address)
                      : fmt::format("standbys of the process at {}:\n{}", address, text);
}

int status(const Context& context, const OutputArguments& output) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(output, out);
  or_exit(reach(context.kafka));
  const MarketCalendar calendar(context.config().market.timezone);
  std::vector<TableColumn> columns{{"stage"},
                                   {"topic"},
                                   {"partition", ColumnType::number},
                                   {"watermark"},
                                   {"offset", ColumnType::number},
                                   {"lag_records", ColumnType::number},
                                   {"state_bytes", ColumnType::number},
                                   {"repetitions", ColumnType::number},
                                   {"sequence_gaps", ColumnType::number},
                                   {"foreign_records", ColumnType::number},
                                   {"alerts_open", ColumnType::number},
                                   {"quarantine_rate", ColumnType::number},
                                   {"held"}};
  if (mode != OutputMode::table) columns.push_back({"missing"});  // a table has sentences below it
  TableWriter table(out, mode, columns);
  std::string waiting;
  std::string held;
  std::string foreign;
  for (const auto& task : task_positions(context)) {
    const auto status = parse_status(task.checkpoint);
    const auto& committed = task.position.committed;
    const WaitingTask waiting_task{task.name, parse_missing_note(committed.metadata)};
    if (!waiting_task.missing.empty()) waiting += sentence(waiting_task) + ".\n";
    std::vector<TableCell> cells{
        std::string(name_of(task.stage)),
        std::string(name_of(task.input.topic)),
        task.input.partition,
        status.clock == kNever ? TableCell(std::nullopt) : TableCell(calendar.format(status.clock)),
        committed.offset < 0 ? TableCell(std::nullopt) : TableCell(committed.offset),
        task.position.lag(),
        status.state_bytes,
        status.repetitions,
        static_cast<std::int64_t>(waiting_task.missing.size()),
        task.checkpoint ? task.checkpoint->foreign().count() : 0,
        status.alerts_open,
        status.quarantine_rate(),
        status.held == kNever ? TableCell(std::nullopt) : TableCell(calendar.format(status.held))};
    if (status.held != kNever) {
      held += fmt::format(
          "held: {}/{} would move the clock of its partition to {}. Decide: fiverate quarantine accept, or reject\n",
          task.name, task.checkpoint->source_clock().held().offset(), calendar.format(status.held));
    }
    if (task.checkpoint && task.checkpoint->has_foreign()) {
      const auto& records = task.checkpoint->foreign();
      foreign += "foreign: " + skipped_sentence(task.name, task.input, records.count(), records) + "\n";
    }
    if (mode != OutputMode::table)
      cells.push_back(waiting_task.missing.empty() ? TableCell(std::nullopt)
                                                   : TableCell(sentence_part(waiting_task.missing)));
    table.row(std::move(cells));
  }
  table.finish();
  for (const auto& unread : or_exit(unread_partitions(context))) print_message(to_text(unread));
  if (mode == OutputMode::table) {
    out.write(held);
    out.write(visible_lines(foreign));
    if (!waiting.empty()) {
      out.write(fmt::format("\n{}If restarts do not bring them, stop all processes, run `{}`, and start again.\n",
                            waiting, kMendCommand));
    }
    out.write(fmt::format("\nquarantined so far: {}\n", or_exit(quarantined_so_far(context))));
    if (const auto& address = context.config().run.health; !address.empty() && !address.ends_with(":0")) {
      out.write(visible_lines(standbys_of(address)));
    }
  }
  return kExitDone;
}

}  // namespace

void add_status(Program& program) {
  auto* const command =
      program.app.add_subcommand("status", "Show watermark, lag and state of each stage and partition");
  auto output = std::make_shared<OutputArguments>();
  add_output_options(*command, *output, "table, json or csv");
  command->callback(
      [&program, output] { program.command = [output](const Context& context) { return status(context, *output); }; });
}

void add_config(Program& program) {
  auto* const config = program.app.add_subcommand("config", "Show the configuration in effect, and all settings");
  config->require_subcommand(1);
  auto* const show = config->add_subcommand("show", "Print the configuration as TOML, without secrets");
  auto origin = std::make_shared<bool>(false);
  show->add_flag("--origin", *origin, "Add the source of each value as a comment");
  show->callback([&program, origin] {
    program.command = [origin](const Context& context) {
      TextOutput out(STDOUT_FILENO);
      out.write(show_config(context.loaded, *origin));
      return kExitDone;
    };
  });
  config->add_subcommand("settings", "Print all settings with default and meaning, as a Markdown table")
      ->callback([&program] {
        program.command = [](const Context&) {
          TextOutput(STDOUT_FILENO).write(config_reference());
          return kExitDone;
        };
      });
}

}  // namespace fiverate
