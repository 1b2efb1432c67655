// `tasks ls`, `tasks reset`: the tasks and their checkpoints; publish a task's outputs again from an offset of its input.
#include <filesystem>
#include <map>

#include "cli/commands/commands.h"
#include "cli/commands/market_definition.h"
#include "cli/commands/reading.h"
#include "cli/commands/task_positions.h"
#include "cli/live/live.h"
#include "processors/edge/kafka_offsets.h"
#include "processors/edge/rocks_store.h"
#include "processors/runtime/reset.h"
#include "processors/stages/task_names.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

int list_tasks(const Context& context, const OutputArguments& output) {
  TextOutput out(STDOUT_FILENO);
  const auto mode = output_argument(output, out);
  or_exit(reach(context.kafka));
  TableWriter table(out, mode,
                    {{"task"},
                     {"input_topic"},
                     {"input_partition", ColumnType::number},
                     {"offset", ColumnType::number},
                     {"log_end", ColumnType::number},
                     {"lag_records", ColumnType::number},
                     {"reset_epoch", ColumnType::number},
                     {"checkpoint", ColumnType::number}});
  for (const auto& task : task_positions(context)) {
    const bool has_committed = task.position.committed.offset >= 0;
    table.row({task_argument_of(task.input), std::string(name_of(task.input.topic)), task.input.partition,
               has_committed ? TableCell(task.position.committed.offset) : TableCell(std::nullopt), task.position.end,
               task.position.lag(), task.pointer.reset_epoch,
               task.pointer.offset >= 0 ? TableCell(task.pointer.offset) : TableCell(std::nullopt)});
  }
  table.finish();
  return kExitDone;
}

struct ResetArguments {
  std::string task;
  std::optional<std::int64_t> offset;
  bool dry_run = false;
  bool missing = false;
};

Input input_of_argument(const std::string& name, const Definition& definition) {
  std::string tasks;
  for (const auto stage : {Stage::intake, Stage::reference, Stage::outlet, Stage::market, Stage::desk}) {
    for (const auto& input : inputs_of(stage, definition)) {
      if (task_argument_of(input) == name) return input;
      tasks += (tasks.empty() ? "" : ", ") + task_argument_of(input);
    }
  }
  throw ExitError(kExitUsage, fmt::format("There is no task \"{}\". Tasks: {}.", name, tasks));
}

// All checkpoints that are in the topic, by task, and the present offsets of all result partitions that they name.
struct Published {
  std::map<std::string, std::vector<Checkpoint>> checkpoints;
  std::map<Input, OffsetRange> result_partitions;
};

Published read_published(const Context& context) {
  Published published;
  const auto reader = read_to_end(context, {kCheckpointsPartition});
  std::vector<InRecord> records;
  while (!reader->finished()) {
    records.clear();
    or_exit(reader->poll(std::chrono::milliseconds(100), records));
    for (const auto& record : records) {
      if (auto checkpoint = parse_checkpoint(record))
        published.checkpoints[std::string(record.key)].push_back(std::move(*checkpoint));
    }
  }
  const auto client = or_exit(KafkaClient::open(context.kafka, consumer_role(context.kafka, "fiverate-reader")));
  for (const auto& [task, checkpoints] : published.checkpoints) {
    for (const auto& checkpoint : checkpoints) {
      for (const auto& result : checkpoint.results()) {
        const Input target{static_cast<Topic>(result.topic()), result.partition()};
        if (published.result_partitions.contains(target)) continue;
        published.result_partitions[target] = or_exit(query_offset_range(*client, target));
      }
    }
  }
  return published;
}

ResetRequest request_of(const Context& context, const Input& input, const Published& published,
                        std::optional<std::int64_t> offset) {
  const auto group = group_of(context.kafka, stage_reading(input.topic));
  auto position = or_exit(group_positions(context.kafka, group, {input})).at(input);
  position.committed.offset = std::max<std::int64_t>(position.committed.offset, 0);
  const auto task = task_name_of(input);
  const auto checkpoints = published.checkpoints.find(task);
  return {task,
          definition_id(or_exit(market_definition(context))),
          position.committed,
          checkpoints == published.checkpoints.end() ? std::vector<Checkpoint>{} : checkpoints->second,
          published.result_partitions,
          offset};
}

std::string description(const Input& input, const Reset& reset, const std::filesystem::path& state) {
  std::string text;
  for (const auto& sentence : reset.missing) text += fmt::format("Lost: {}.\n", sentence);
  const auto start = reset.checkpoint.offset();
  text += fmt::format("{} reads {} partition {} and has published the outputs of its first {} offsets.\n",
                      task_argument_of(input), name_of(input.topic), input.partition, reset.published_to);
  text += start > 0 ? fmt::format("It starts from its checkpoint at offset {}", start)
                    : std::string("It starts from the log's beginning");
  text += reset.emit_from > start ? fmt::format(", computes up to offset {} without publishing", reset.emit_from)
                                  : std::string();
  text += fmt::format(
      ", and publishes again what offsets {} to {} cause: {} input records, to {}. The records are identical to those "
      "published before; "
      "receivers drop what they have.\n",
      reset.emit_from, reset.published_to, reset.published_to - reset.emit_from,
      output_topics_text(stage_reading(input.topic)));
  if (stage_reading(input.topic) != Stage::intake) {
    text +=
        fmt::format("Its state folder {} is removed; states on other machines are discarded when they are opened.\n",
                    state.string());
  }
  return text;
}

void check_no_members(const Context& context, const std::string& group) {
  if (const auto members = or_exit(group_members(context.kafka, group)); !members.empty()) {
    throw ExitError(
        kExitFailed,
        fmt::format("Nothing was changed: {} processes of this stage are running (group {}, from {}). Stop them "
                    "first. (A killed process counts for 10 s.)",
                    members.size(), group, members.front()));
  }
}

// Nothing is written before all checks have passed.
void carry_out(const Context& context, const Input& input, const Reset& plan, bool dry_run) {
  const auto group = group_of(context.kafka, stage_reading(input.topic));
  const auto state = std::filesystem::path(context.config().state.dir) / task_argument_of(input);
  TextOutput out(STDOUT_FILENO);
  out.write(visible_lines(description(input, plan, state)));
  if (dry_run) {
    out.write("Nothing was changed (--dry-run).\n");
    return;
  }
  check_no_members(context, group);
  if (std::filesystem::exists(state)) {
    {
      // Its lock: no process of this machine has it open.
      const RocksMemory memory(std::size_t{8} << 20U);
      const auto opened = RocksStore::open(state, memory);
      if (!opened && opened.error().reaction == Reaction::wait)
        throw ExitError(kExitFailed, "Nothing was changed. " + opened.error().what);
    }
    std::filesystem::remove_all(state);
  }
  const auto sink = or_exit(KafkaSink::open(context.kafka));
  or_exit(sink->send(checkpoint_record(plan.checkpoint, market_now(context))));
  or_exit(sink->flush());
  const auto end = sink->acknowledged_end(kCheckpointsPartition, plan.checkpoint.task());
  or_exit(set_group_position(
      context.kafka, group, input,
      {plan.checkpoint.offset(), to_text(CheckpointPointer{plan.checkpoint.reset_epoch(), end ? *end - 1 : -1})}));
  out.write(fmt::format("Done. {} publishes again at the next `fiverate run`.\n", task_argument_of(input)));
}

int reset_task(const Context& context, const ResetArguments& arguments) {
  or_exit(reach(context.kafka));
  const auto input = input_of_argument(arguments.task, or_exit(market_definition(context)));
  const auto plan = plan_reset(request_of(context, input, read_published(context), arguments.offset));
  if (!plan) throw ExitError(kExitUsage, plan.error().what);
  carry_out(context, input, *plan, arguments.dry_run);
  return kExitDone;
}

// Resets each task whose results are gone, and each sender to the lowest offset that a waiting task misses.
int reset_missing(const Context& context, const ResetArguments& arguments) {
  or_exit(reach(context.kafka));
  std::map<std::string, std::int64_t> missed;  // by task, the lowest offset
  for (const auto& task : or_exit(waiting_tasks(context))) {
    for (const auto& range : task.missing) {
      const auto [known, added] = missed.try_emplace(task_argument(range.sender), range.from);
      known->second = std::min(known->second, range.from);
    }
  }
  const auto definition = or_exit(market_definition(context));
  const auto published = read_published(context);
  std::vector<std::pair<Input, Reset>> plans;
  for (const auto stage : {Stage::intake, Stage::reference, Stage::outlet, Stage::market, Stage::desk}) {
    for (const auto& input : inputs_of(stage, definition)) {
      auto plan = plan_reset(request_of(context, input, published, std::nullopt));  // an error: no result is gone
      const auto lowest = missed.find(task_argument_of(input));
      if (lowest != missed.end() && (!plan || plan->emit_from > lowest->second)) {
        plan = plan_reset(request_of(context, input, published, lowest->second));
        if (!plan) throw ExitError(kExitUsage, plan.error().what);
      }
      if (plan) plans.emplace_back(input, std::move(*plan));
    }
  }
  if (plans.empty())
    throw ExitError(kExitUsage, "Nothing was changed: no task waits for missing records, and no results are gone.");
  if (!arguments.dry_run) {
    for (const auto& [input, plan] : plans)
      check_no_members(context, group_of(context.kafka, stage_reading(input.topic)));
  }
  for (const auto& [input, plan] : plans) carry_out(context, input, plan, arguments.dry_run);
  return kExitDone;
}

}  // namespace

void add_tasks(Program& program) {
  auto* const tasks =
      program.app.add_subcommand("tasks", "List tasks and their checkpoints; publish a task's outputs again");
  tasks->require_subcommand(1);
  auto* const list = tasks->add_subcommand("ls", "Tasks, how far each has read, and where its checkpoint is");
  auto output = std::make_shared<OutputArguments>();
  add_output_options(*list, *output, "table, json or csv");
  list->callback([&program, output] {
    program.command = [output](const Context& context) { return list_tasks(context, *output); };
  });
  auto* const reset = tasks->add_subcommand(
      "reset",
      "Publish a task's outputs again from an offset of its input. All processes of its stage have to be stopped");
  auto arguments = std::make_shared<ResetArguments>();
  auto* const task = reset->add_option("task", arguments->task, "As `tasks ls` names it: outlet-3, deliveries-0");
  reset
      ->add_option(
          "--offset", arguments->offset,
          "From this offset of its input on. Default: from the last checkpoint whose results are all still there")
      ->needs(task);
  reset
      ->add_flag("--missing", arguments->missing,
                 "All tasks whose results are gone, or whose records other tasks miss (see `status`), each from the "
                 "first missing one on")
      ->excludes(task);
  reset->add_flag("--dry-run", arguments->dry_run, "Print what would be published again, and change nothing");
  reset->callback([&program, arguments] {
    program.command = [arguments](const Context& context) {
      if (arguments->missing) return reset_missing(context, *arguments);
      if (arguments->task.empty()) throw ExitError(kExitUsage, "Name a task, or give --missing.");
      return reset_task(context, *arguments);
    };
  });
}

}  // namespace fiverate
