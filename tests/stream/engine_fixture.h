// What tests of worker and standby share: a log in memory, a group, two folders of states, and a clock that a test moves by hand.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "processors/stream/worker.h"
#include "schemas/format.h"
#include "tests/stream/fake_operator.h"
#include "tests/support/log_checkpoints.h"
#include "tests/support/memory_sink.h"

namespace fiverate::test {

using namespace std::chrono_literals;
using Values = std::vector<std::string>;

class EngineTest : public testing::Test {
 protected:
  // The states of a process, by task.
  using States = std::map<Input, std::shared_ptr<MemoryStore::Content>>;

  void append(const Input& input, const std::string& value) {
    log.append({input.topic, input.partition, 5, "", value, std::nullopt, std::nullopt});
  }
  std::vector<InRecord> read(const Input& input, std::int64_t from = 0) {
    std::vector<InRecord> records;
    log.read(input, from, 1'000'000, 0ms, records);
    return records;
  }
  // The causes of what was published to deltas.
  Values published() {
    Values causes;
    for (const auto& record : read({Topic::deltas, 0})) causes.push_back(to_text(*record.cause));
    return causes;
  }
  // As in production: a state that is not usable with the checkpoint is replaced by an empty one.
  MakeTask make_in(States& states) {
    return [this, &states](const Input& input, const std::optional<Checkpoint>& checkpoint) -> Result<TaskContext> {
      ++opened;
      auto& content = states[input];
      if (!content) content = std::make_shared<MemoryStore::Content>();
      const MemoryStore present(content);
      if (const auto state = read_task_state(present); state && *state && !is_usable(**state, checkpoint)) {
        content = std::make_shared<MemoryStore::Content>();
      }
      return make_with(input, std::make_unique<MemoryStore>(content));
    };
  }
  TaskContext make_with(const Input& input, std::unique_ptr<Store> store) {
    TaskContext context;
    context.store = std::move(store);
    auto adder = std::make_unique<Adder>();
    adder->has_resume_point = has_resume_point;
    context.op = std::move(adder);
    context.task = std::make_unique<Task>("outlet", input, "d1", *context.op, *context.store, sink);
    return context;
  }
  static TaskName names() {
    return [](const Input& input) { return sender_name("outlet", input.partition); };
  }
  Worker::Now now() {
    return [this] { return time; };
  }
  Worker::Parts parts(Source& source, States& states, Standby* standby = nullptr) {
    return {source,
            sink,
            checkpoints,
            names(),
            make_in(states),
            standby,
            [this](Severity, const std::string& text) { reports.push_back(text); },
            now()};
  }
  // A process that owns the task for a moment: reads all there is, and commits.
  void own(const Input& input, States& states) {
    MemorySource source(log, {input}, group, 1'000'000);
    Worker worker(parts(source, states), rare);
    const auto round = worker.round();
    ASSERT_TRUE(round.has_value()) << round.error().what;
    ASSERT_TRUE(worker.commit_all().has_value());
  }
  static std::string saved_sum(const States& states, const Input& input) {
    const auto& content = *states.at(input);
    return content.contains("sum") ? content.at("sum") : "-";
  }
  CheckpointPointer pointer(const Input& input) { return parse_checkpoint_pointer(group.at(input).metadata); }
  Checkpoint last_checkpoint() { return *parse_checkpoint(read(kCheckpointsPartition).back()); }
  // As `tasks reset` does: writes a checkpoint of the next epoch, and lets the group point to it.
  void reset(const Input& input, Checkpoint checkpoint, std::int64_t emit_from) {
    checkpoint.set_reset_epoch(checkpoint.reset_epoch() + 1);
    checkpoint.set_emit_from(emit_from);
    checkpoint.clear_results();
    log.append(checkpoint_record(checkpoint, 0));
    group[input] = {checkpoint.offset(),
                    to_text(CheckpointPointer{checkpoint.reset_epoch(), log.end_offset(kCheckpointsPartition) - 1})};
  }

  MemoryLog log;
  MemorySink sink{log};
  LogCheckpoints checkpoints{log};
  MemorySource::GroupOffsets group;
  std::chrono::steady_clock::time_point time{1h};
  States here, there;
  Values reports;
  int opened = 0;
  bool has_resume_point = true;
  const WorkerOptions rare{0ms, 1h, 1'000'000};  // commits only when a test requests it
};

}  // namespace fiverate::test
