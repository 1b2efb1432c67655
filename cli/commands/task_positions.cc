#include "cli/commands/task_positions.h"

#include <map>

#include "cli/commands/market_definition.h"
#include "cli/live/live.h"
#include "processors/edge/kafka_log.h"
#include "processors/stages/task_names.h"

namespace fiverate {

std::vector<TaskPosition> task_positions(const Context& context) {
  const auto definition = or_exit(market_definition(context));
  std::vector<TaskPosition> tasks;
  std::map<std::string, CheckpointPointer> pointers;
  for (const auto stage : {Stage::intake, Stage::reference, Stage::outlet, Stage::market, Stage::desk}) {
    for (auto& [input, position] :
         or_exit(group_positions(context.kafka, group_of(context.kafka, stage), inputs_of(stage, definition)))) {
      const auto pointer = parse_checkpoint_pointer(position.committed.metadata);
      tasks.push_back({stage, input, task_name_of(input), std::move(position), pointer, std::nullopt});
      if (pointer.offset >= 0) pointers[tasks.back().name] = pointer;
    }
  }
  if (pointers.empty()) return tasks;
  const auto reader = or_exit(KafkaCheckpointReader::open(context.kafka));
  const auto checkpoints = or_exit(reader->find(pointers));
  for (auto& task : tasks) {
    if (const auto found = checkpoints.find(task.name); found != checkpoints.end()) task.checkpoint = found->second;
  }
  return tasks;
}

Result<std::vector<WaitingTask>> waiting_tasks(const Context& context) {
  const auto definition = context.definition();
  std::vector<WaitingTask> waiting;
  for (const auto stage :
       {Stage::outlet, Stage::market, Stage::desk}) {  // the senders before them read no chained records
    TRY_VALUE(positions, group_commits(context.kafka, group_of(context.kafka, stage), inputs_of(stage, definition)));
    for (const auto& [input, committed] : positions) {
      auto missing = parse_missing_note(committed.metadata);
      if (!missing.empty()) waiting.push_back({task_name_of(input), std::move(missing)});
    }
  }
  return waiting;
}

std::string sentence(const WaitingTask& task) {
  return fmt::format("{} waits for missing records: those caused by {}", task.name, sentence_part(task.missing));
}

}  // namespace fiverate
