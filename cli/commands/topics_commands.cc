// `topics create`, `check` and `live` (`extend`: topics_extend.cc): the topics with their partitions and settings, and the clock of the market.
#include "cli/commands/commands.h"
#include "cli/commands/live_market.h"
#include "cli/commands/market_definition.h"
#include "cli/commands/source_topics.h"
#include "cli/screen/message.h"
#include "cli/wall_clock.h"
#include "processors/edge/kafka_admin.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

using Kind = TopicFinding::Kind;

// Prints those that need no action, and removes them.
void print_warnings(const Context& context, std::vector<TopicFinding>& findings) {
  if (const auto single = or_exit(topics_with_one_replica(context.kafka)); !single.empty()) {
    print_message(
        fmt::format("Warning: {} topics have one replica only. A power failure of their broker may lose acknowledged "
                    "records; the way back is in docs/operating.md. Use topics.replication 2 or more for production.",
                    single.size()));
  }
  std::erase_if(findings, [](const TopicFinding& finding) {
    if (finding.kind == Kind::surplus) print_message("Warning: " + to_text(finding) + ".");
    return finding.kind == Kind::surplus;
  });
}

void print_unread(const Context& context) {
  for (const auto& unread : or_exit(unread_partitions(context))) print_message(to_text(unread));
}

int create(const Context& context) {
  or_exit(reach(context.kafka));
  auto made = or_exit(create_topics(context.kafka, or_exit(market_plan(context, or_exit(market_definition(context))))));
  TextOutput out(STDOUT_FILENO);
  for (const auto& topic : made.created) out.write(fmt::format("created {}\n", visible(topic)));
  print_warnings(context, made.findings);
  if (made.findings.empty() && made.created.empty()) out.write("all topics exist\n");
  if (made.definitions_written > 0)
    out.write(fmt::format("definition written to {} partitions\n", made.definitions_written));
  out.flush();
  if (made.findings.empty()) return kExitDone;
  if (made.created.empty()) print_message("Nothing was created: the topics that exist differ.");
  for (const auto& finding : made.findings) print_message(to_text(finding));
  print_unread(context);
  return kExitFailed;
}

// "market.timezone Asia/Shanghai, 4 ledger and 2 market partitions, 6 source partitions (created with 4)"
std::string text_of(const Definition& definition) {
  const auto counts = source_partition_counts(definition);
  return fmt::format("market.timezone {}, {} ledger and {} market partitions, {} source partitions{}",
                     definition.timezone(), definition.ledger_partitions(), definition.market_partitions(),
                     counts.back(), counts.size() > 1 ? fmt::format(" (created with {})", counts.front()) : "");
}

int check(const Context& context, const OutputArguments& output) {
  or_exit(reach(context.kafka));
  const auto definition = or_exit(market_definition(context));
  const auto plan = or_exit(market_plan(context, definition));
  auto findings = or_exit(check_topics(context.kafka, plan));
  print_warnings(context, findings);
  const auto* const clock =
      plan.live ? "live: Kafka stamps its source records" : "on marks: producers stamp its source records";
  print_message(fmt::format("The market is {}.", clock));
  if (findings.empty()) {
    print_message(fmt::format("All topics exist with the right settings. Definition: {}.", text_of(definition)));
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
  print_unread(context);
  return kExitFailed;
}

int live(const Context& context) {
  or_exit(reach(context.kafka));
  const auto definition = or_exit(market_definition(context));
  const auto plan = or_exit(market_plan(context, definition));
  for (const auto& finding : or_exit(check_topics(context.kafka, plan))) {
    if (finding.kind == Kind::surplus) continue;
    if (finding.setting == "topic" || finding.setting == "partitions" || finding.setting.starts_with("definition"))
      throw ExitError(kExitFailed, to_text(finding) + " `fiverate topics check` lists all that differs.");
  }
  if (plan.live) {
    or_exit(let_kafka_stamp(context.kafka));
    print_message("The market is live already.");
    return kExitDone;
  }
  check_can_go_live(context, MarketCalendar(context.config().market.timezone), wall_clock());
  or_exit(go_live(context, definition));
  print_message(
      "The market is live: from now on Kafka stamps its source records, and the days go by with the wall clock. Import "
      "and simulate are refused from now on.");
  return kExitDone;
}

}  // namespace

void add_topics(Program& program) {
  auto* const topics = program.app.add_subcommand("topics", "Create, check and change the Kafka topics");
  topics->require_subcommand(1);
  topics->add_subcommand("create", "Create the missing topics, with their settings and the definition")
      ->callback([&program] { program.command = create; });
  topics
      ->add_subcommand("live",
                       "Put the market on the wall clock for good: Kafka stamps the source records. A history on marks "
                       "that was imported before stays as it is")
      ->callback([&program] { program.command = live; });
  add_topics_extend(*topics, program);
  auto* const check_command =
      topics->add_subcommand("check", "List wrong or missing topics and settings (exit code 1 if there are any)");
  auto output = std::make_shared<OutputArguments>();
  add_output_options(*check_command, *output, "table, json or csv");
  check_command->callback(
      [&program, output] { program.command = [output](const Context& context) { return check(context, *output); }; });
}

}  // namespace fiverate
