// What the tests of the runtime share: a definition with few partitions, and a task over a log in memory.
#pragma once

#include <memory>
#include <string>

#include "processors/stages/topology.h"
#include "processors/stream/task_context.h"
#include "tests/stream/fake_operator.h"
#include "tests/support/log_checkpoints.h"
#include "tests/support/memory_sink.h"

namespace fiverate::test {

inline Definition test_definition() {
  return make_definition("Asia/Shanghai", PartitionCounts{.source = 1, .ledger = 2, .market = 2});
}

// A task with an Adder and a state of its own.
inline TaskContext make_adder(const std::string& stage, const Input& input, Sink& sink) {
  TaskContext context;
  context.store = std::make_unique<MemoryStore>();
  context.op = std::make_unique<Adder>();
  context.task = std::make_unique<Task>(stage, input, "d1", *context.op, *context.store, sink);
  return context;
}

inline InRecord record_at(const Input& input, std::int64_t offset, std::string_view value) {
  InRecord record;
  record.input = input;
  record.offset = offset;
  record.value = value;
  return record;
}

}  // namespace fiverate::test
