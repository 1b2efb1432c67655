// `topics create` and `topics check`: the topics with their partitions and settings.
#include "cli/commands/commands.h"
#include "cli/commands/definition_difference.h"
#include "cli/screen/message.h"
#include "processors/edge/kafka_admin.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

int create(const Context& context) {
  or_exit(reach(context.kafka));
  const auto made = or_exit(create_topics(context.kafka, context.topic_plan()));
  TextOutput out(STDOUT_FILENO);
  for (const auto& topic : made.created) out.write(fmt::format("created {}\n", visible(topic)));
  if (made.created.empty()) out.write("all topics exist\n");
  if (made.definitions_written > 0)
    out.write(fmt::format("definition written to {} partitions\n", made.definitions_written));
  out.flush();
  for (const auto& finding : made.findings) print_message(to_text(finding));
  return made.findings.empty() ? kExitDone : kExitFailed;
}

int check(const Context& context, const OutputArguments& output) {
  or_exit(reach(context.kafka));
  const auto findings = or_exit(check_topics(context.kafka, context.topic_plan()));
  if (const auto single = or_exit(topics_with_one_replica(context.kafka)); !single.empty()) {
    print_message(
        fmt::format("Warning: {} topics have one replica only. A power failure of their broker may lose acknowledged "
                    "records; the way back is in docs/operating.md. Use topics.replication 2 or more for production.",
                    single.size()));
  }
  if (findings.empty()) {
    print_message("All topics exist with the right settings.");
    return kExitDone;
  }
  TextOutput out(STDOUT_FILENO);
  TableWriter table(out, output_argument(output, out), {{"topic"}, {"setting"}, {"expected"}, {"found"}});
  // All partitions of the internal topics have the same definition. Its differences are listed once, by setting.
  std::vector<DefinitionDifference> differences;
  for (const auto& finding : findings) {
    const bool is_definition = finding.setting.starts_with("definition");
    if (is_definition && differences.empty()) {
      differences = definition_differences(context);
      for (const auto& difference : differences)
        table.row({finding.topic, difference.setting, difference.expected, difference.in_topics});
    }
    if (!is_definition || differences.empty())
      table.row({finding.topic, finding.setting, finding.expected, finding.found});
  }
  table.finish();
  return kExitFailed;
}

}  // namespace

void add_topics(Program& program) {
  auto* const topics = program.app.add_subcommand("topics", "Create and check the Kafka topics");
  topics->require_subcommand(1);
  topics->add_subcommand("create", "Create the missing topics, with their settings and the definition")
      ->callback([&program] { program.command = create; });
  auto* const check_command =
      topics->add_subcommand("check", "List wrong or missing topics and settings (exit code 1 if there are any)");
  auto output = std::make_shared<OutputArguments>();
  add_output_options(*check_command, *output, "table, json or csv");
  check_command->callback(
      [&program, output] { program.command = [output](const Context& context) { return check(context, *output); }; });
}

}  // namespace fiverate
