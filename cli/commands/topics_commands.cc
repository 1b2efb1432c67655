// `topics create` and `topics check`: the topics with their partitions and settings.
#include "cli/commands/commands.h"
#include "cli/commands/definition_difference.h"
#include "processors/edge/kafka_admin.h"

namespace fiverate {
namespace {

int create(const Context& context) {
  or_exit(reach(context.kafka));
  const auto made = or_exit(create_topics(context.kafka, context.topic_plan()));
  for (const auto& topic : made.created) fmt::print("created {}\n", topic);
  if (made.created.empty()) fmt::print("all topics exist\n");
  if (made.definitions_written > 0) fmt::print("definition written to {} partitions\n", made.definitions_written);
  for (const auto& finding : made.findings) fmt::print(stderr, "fiverate: {}\n", to_text(finding));
  return made.findings.empty() ? kExitDone : kExitFailed;
}

int check(const Context& context, const std::string& output) {
  or_exit(reach(context.kafka));
  const auto findings = or_exit(check_topics(context.kafka, context.topic_plan()));
  if (const auto single = or_exit(topics_with_one_replica(context.kafka)); !single.empty()) {
    fmt::print(
        stderr,
        "fiverate: Warning: {} topics have one replica only. A power failure of their broker may lose acknowledged "
        "records; the way "
        "back is in docs/operating.md. Use topics.replication 2 or more for production.\n",
        single.size());
  }
  if (findings.empty()) {
    fmt::print(stderr, "fiverate: All topics exist with the right settings.\n");
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
  auto output = std::make_shared<std::string>();
  check_command->add_option("-o,--output", *output, "table, json or csv");
  check_command->callback(
      [&program, output] { program.command = [output](const Context& context) { return check(context, *output); }; });
}

}  // namespace fiverate
