#pragma once

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "processors/runtime/stage_ports.h"
#include "tests/runtime/runtime_fixture.h"

namespace fiverate::test {

// Ports over a log in memory; each can be made to fail.
class MemoryPorts : public StagePorts {
 public:
  explicit MemoryPorts(MemoryLog& log) : log_(log) {}

  Result<std::unique_ptr<Sink>> open_sink() override {
    ++sinks;
    if (sink_error) return tl::make_unexpected(*std::exchange(sink_error, std::nullopt));
    return std::make_unique<MemorySink>(log_);
  }
  Result<std::unique_ptr<Source>> open_source() override { return std::make_unique<MemorySource>(log_, inputs, group); }
  Result<std::unique_ptr<Source>> open_reader(const std::map<Input, std::int64_t>& from) override {
    std::vector<Input> read;
    for (const auto& [input, offset] : from) read.push_back(input);
    auto source = std::make_unique<MemorySource>(log_, read, unused_);
    source->listen({[from](const auto&) { return from; }, {}});
    return source;
  }
  Result<std::unique_ptr<CheckpointReader>> open_checkpoints() override {
    return std::make_unique<LogCheckpoints>(log_);
  }
  Result<std::unique_ptr<Store>> open_store(const Input& input,
                                            const std::optional<Checkpoint>& /*checkpoint*/) override {
    ++stores;
    if (locked == input) return fail(Reaction::wait, "In use by another process.");
    auto& content = states[input];
    if (!content) content = std::make_shared<MemoryStore::Content>();
    return std::make_unique<MemoryStore>(content);
  }
  std::unique_ptr<Operator> make_operator(const Input& /*input*/) override { return std::make_unique<Adder>(); }

  std::vector<Input> inputs{{Topic::ledger, 0}};
  MemorySource::GroupOffsets group;
  std::map<Input, std::shared_ptr<MemoryStore::Content>> states;
  std::optional<Error> sink_error;
  std::optional<Input> locked;
  int sinks = 0;
  int stores = 0;

 private:
  MemoryLog& log_;
  MemorySource::GroupOffsets unused_;
};

}  // namespace fiverate::test
