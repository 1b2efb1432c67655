// `topics extend`: takes new partitions of orders, deliveries and visits into the definition of a market that exists. All processes are
// stopped meanwhile.
//
//   1. the topics get the partitions in Kafka
//   2. the definition with the new number is appended to every ledger partition, to the first one last: readers take it from there
//   3. each new partition without a record gets a mark with the time of the others, so that the watermark does not wait for it
//
// A crash between two steps leaves a market in which no day closes. The same command completes it: a partition that has the definition
// does not get it again.
#include <algorithm>

#include "cli/commands/commands.h"
#include "cli/commands/live_market.h"
#include "cli/commands/market_definition.h"
#include "cli/commands/source_topics.h"
#include "cli/live/live.h"
#include "processors/edge/kafka_log.h"
#include "processors/edge/kafka_offsets.h"
#include "processors/stages/senders.h"
#include "processors/stages/topology.h"
#include "schemas/mark.h"

namespace fiverate {
namespace {

struct ExtendArguments {
  std::optional<std::int32_t> source_partitions;
};

[[noreturn]] void refuse(int code, const std::string& why) {
  throw ExitError(code, "Nothing was changed: " + why);
}

// By ledger partition. Each one is a beginning of the longest one.
std::vector<Definition> definitions_of_market(const Context& context) {
  std::string differences;
  for (const auto& difference : definition_differences(context)) {
    if (difference.setting != "topics.source_partitions") differences += "\n  " + to_text(difference);
  }
  if (!differences.empty()) refuse(kExitUsage, "the topics are not those of this configuration:" + differences);
  std::vector<Definition> definitions;
  const auto configured = context.definition();
  for (std::int32_t partition = 0; partition < configured.ledger_partitions(); ++partition) {
    auto found = or_exit(definition_in_ledger(context, partition));
    if (!found) {
      refuse(kExitUsage, fmt::format("partition {} of ledger has no definition. Make the topics with `fiverate topics "
                                     "create`.",
                                     partition));
    }
    definitions.push_back(std::move(*found));
  }
  return definitions;
}

void check_no_members(const Context& context) {
  for (const auto stage : {Stage::intake, Stage::outlet, Stage::market, Stage::desk}) {
    const auto group = group_of(context.kafka, stage);
    const auto members = or_exit(group_members(context.kafka, group));
    if (members.empty()) continue;
    refuse(kExitFailed, fmt::format("{} processes are running (group {}, from {}). Stop all processes of this market "
                                    "first. (A killed process counts for 10 s.)",
                                    members.size(), group, members.front()));
  }
}

std::int32_t requested_partitions(const ExtendArguments& arguments, std::int32_t in_definition,
                                  const std::map<Topic, std::int32_t>& in_kafka) {
  auto least = in_definition;
  for (const auto topic : kDocumentTopics) {
    const auto found = in_kafka.find(topic);
    if (found == in_kafka.end()) {
      refuse(kExitUsage,
             fmt::format("the topic {} is missing. Make it with `fiverate topics create`.", name_of(topic)));
    }
    least = std::max(least, found->second);
  }
  const auto requested = arguments.source_partitions.value_or(least);
  if (requested < least) {
    refuse(kExitUsage, fmt::format("the source topics have {} partitions, and Kafka cannot remove any. Use "
                                   "--source-partitions {} or more.",
                                   least, least));
  }
  if (requested > kSourcePartitionsMax) {
    refuse(kExitUsage,
           fmt::format("a source topic has {} partitions in Kafka, and a market can have {} at most. Create "
                       "a new market under another topics.prefix.",
                       requested, kSourcePartitionsMax));
  }
  return requested;
}

void write_definition(const Context& context, const Definition& target, const std::vector<std::int32_t>& partitions) {
  const auto sink = or_exit(KafkaSink::open(context.kafka));
  for (const auto partition : partitions) {
    or_exit(sink->send({Topic::ledger, partition, definition_time(target), "", definition_record(Topic::ledger, target),
                        std::nullopt, std::nullopt}));
    or_exit(sink->flush());
  }
}

void write_marks(const Context& context, const EmptyPartitions& empty) {
  const auto value = mark_value(empty.clock_of_others, or_exit(is_live(context)));
  const auto sink = or_exit(KafkaSink::open(context.kafka));
  for (const auto& input : empty.inputs)
    or_exit(sink->send({input.topic, input.partition, empty.clock_of_others, "", value, std::nullopt, std::nullopt}));
  or_exit(sink->flush());
}

int extend(const Context& context, const ExtendArguments& arguments) {
  or_exit(reach(context.kafka));
  const auto definitions = definitions_of_market(context);
  const auto in_kafka = or_exit(count_partitions(context.kafka));
  auto target = *std::ranges::max_element(definitions, {}, &Definition::sources_size);
  const auto before = partition_counts(target).source;
  const auto requested = requested_partitions(arguments, before, in_kafka);
  if (requested > before) target = extended(std::move(target), requested);

  std::vector<std::int32_t> behind;  // ledger partitions, the first one last
  for (auto partition = static_cast<std::int32_t>(definitions.size()); partition-- > 0;) {
    if (definitions[static_cast<std::size_t>(partition)].sources_size() < target.sources_size())
      behind.push_back(partition);
  }
  const auto is_small = [&](Topic topic) { return in_kafka.at(topic) < requested; };
  TextOutput out(STDOUT_FILENO);
  // Of an extension that was interrupted.
  const auto unmarked = [&] {
    if (!behind.empty() || target.sources_size() == without_extensions(target).sources_size()) return EmptyPartitions{};
    return find_empty(context, source_inputs(target));
  };
  const auto is_complete = [&](const EmptyPartitions& empty) {
    return empty.inputs.empty() || empty.clock_of_others == kNever;
  };
  if (behind.empty() && std::ranges::none_of(kDocumentTopics, is_small) && is_complete(unmarked())) {
    out.write(fmt::format("Nothing to do: the definition has all {} partitions of orders, deliveries and visits.\n",
                          requested));
    return kExitDone;
  }
  check_no_members(context);
  check_imports_have_ended(context, source_inputs(without_extensions(target)),
                           MarketCalendar(context.config().market.timezone));
  for (const auto topic : kDocumentTopics) {
    if (!is_small(topic)) continue;
    or_exit(grow_topic(context.kafka, topic, requested));
    out.write(fmt::format("{}: {} partitions, before {}\n", name_of(topic), requested, in_kafka.at(topic)));
  }
  write_definition(context, target, behind);
  if (const auto empty = find_empty(context, source_inputs(target)); !is_complete(empty)) write_marks(context, empty);
  out.write(
      fmt::format("definition with {} source partitions written to {} partitions of ledger\nStart the processes "
                  "again. Producers have to write marks into the new partitions too, if they write marks.\n",
                  requested, behind.size()));
  return kExitDone;
}

}  // namespace

void add_topics_extend(CLI::App& topics, Program& program) {
  auto* const command = topics.add_subcommand(
      "extend",
      "Add partitions to orders, deliveries and visits, or take in those that were added in Kafka. All "
      "processes have to be stopped");
  auto arguments = std::make_shared<ExtendArguments>();
  command
      ->add_option("--source-partitions", arguments->source_partitions,
                   "Partitions of each of these topics. Default: the highest number that one of them has in Kafka")
      ->check(CLI::Range(1, kSourcePartitionsMax));
  command->callback([&program, arguments] {
    program.command = [arguments](const Context& context) { return extend(context, *arguments); };
  });
}

}  // namespace fiverate
