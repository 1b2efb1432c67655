// `topics create`, `topics check`: the topics with their partitions and settings.
#include "cli/commands/commands.h"
#include "processors/edge/kafka_admin.h"

namespace fiverate {
namespace {

int list_findings(const std::vector<TopicFinding>& findings, const std::string& output) {
  TextOutput out(STDOUT_FILENO);
  TableWriter table(out, output_argument(output, out), {{"topic"}, {"setting"}, {"wanted"}, {"found"}});
  for (const auto& finding : findings) table.row({finding.topic, finding.setting, finding.expected, finding.found});
  table.finish();
  return findings.empty() ? kExitDone : kExitFailed;
}

int create(const Context& context) {
  or_exit(reach(context.kafka));
  const auto made = or_exit(create_topics(context.kafka, context.topic_plan()));
  for (const auto& topic : made.created) fmt::print("created {}\n", topic);
  if (made.created.empty()) fmt::print("all topics are there\n");
  if (made.definitions_written > 0) fmt::print("definition written to {} partitions\n", made.definitions_written);
  for (const auto& finding : made.findings) fmt::print(stderr, "fiverate: {}\n", to_text(finding));
  return made.findings.empty() ? kExitDone : kExitFailed;
}

int check(const Context& context, const std::string& output) {
  or_exit(reach(context.kafka));
  const auto findings = or_exit(check_topics(context.kafka, context.topic_plan()));
  if (findings.empty()) {
    fmt::print(stderr, "topics: all as they have to be\n");
    return kExitDone;
  }
  return list_findings(findings, output);
}

}  // namespace

void add_topics(Program& program) {
  auto* const topics = program.app.add_subcommand("topics", "Make or check the topics");
  topics->require_subcommand(1);
  topics->add_subcommand("create", "Make the topics that are missing, with their settings and the definition")
      ->callback([&program] { program.command = create; });
  auto* const check_command = topics->add_subcommand("check", "List what is not as it has to be (exit 1 if anything)");
  auto output = std::make_shared<std::string>();
  check_command->add_option("-o,--output", *output, "table, json or csv");
  check_command->callback(
      [&program, output] { program.command = [output](const Context& context) { return check(context, *output); }; });
}

}  // namespace fiverate
