// A state in memory: of replays and tests, and of tasks whose state is so small that each checkpoint carries all of it (intake).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "processors/stream/checkpoint.h"
#include "processors/stream/ports.h"

namespace fiverate {

class MemoryStore : public Store {
 public:
  using Content = std::map<std::string, std::string, std::less<>>;
  // The content may be shared with a test that outlives a simulated crash.
  explicit MemoryStore(std::shared_ptr<Content> content = std::make_shared<Content>()) : content_(std::move(content)) {}

  Result<std::optional<std::string>> get(std::string_view key) const override;
  Result<void> scan(std::string_view prefix,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const override;
  Result<void> write(const StoreBatch& batch) override;
  std::string location() const override { return "memory"; }

 private:
  std::shared_ptr<Content> content_;
};

// Begins as the checkpoint left it.
class CheckpointStore final : public MemoryStore {
 public:
  explicit CheckpointStore(const std::optional<Checkpoint>& checkpoint) : MemoryStore(content_of(checkpoint)) {}
  std::string location() const override { return "the topic checkpoints"; }
  bool lives_in_checkpoint() const override { return true; }

 private:
  static std::shared_ptr<Content> content_of(const std::optional<Checkpoint>& checkpoint);
};

}  // namespace fiverate
