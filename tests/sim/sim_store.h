// Simulated disks: folders with states that outlive a process, and the store of one task in one of them. A store fails now
// and then, its disk is full for a while, and a disk forgets: everything, or the last batches, or all since a copy was made.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "processors/stream/memory_store.h"
#include "tests/sim/faults.h"

namespace fiverate::test {

// One state folder. What a batch replaced is kept for a while, so that the last batches can be lost, newest first.
struct SimFolder {
  using Content = MemoryStore::Content;
  static constexpr std::size_t kBatchesKept = 24;

  std::shared_ptr<Content> content = std::make_shared<Content>();
  std::deque<std::vector<std::pair<std::string, std::optional<std::string>>>> replaced;
  std::optional<Content> copy;  // a snapshot somebody made
  bool locked = false;

  void lose_last_batches(std::size_t count) {
    for (; count > 0 && !replaced.empty(); --count) {
      for (auto at = replaced.back().rbegin(); at != replaced.back().rend(); ++at) {
        if (at->second) {
          content->insert_or_assign(at->first, *at->second);
        } else {
          content->erase(at->first);
        }
      }
      replaced.pop_back();
    }
  }
  void become(Content other) {
    *content = std::move(other);
    replaced.clear();
  }
};

struct SimDisk {
  std::map<std::string, SimFolder> folders;
  bool full = false;
};

class SimStore final : public Store {
 public:
  // Error: retry, somebody else has it open.
  static Result<std::unique_ptr<Store>> open(SimDisk& disk, const std::string& name, Weather& weather, bool& dead) {
    auto& folder = disk.folders[name];
    if (folder.locked) return fail(Reaction::retry, "The state in {} is in use by another process.", name);
    return std::unique_ptr<Store>(new SimStore(disk, folder, name, weather, dead));
  }
  ~SimStore() override { folder_.locked = false; }

  Result<std::optional<std::string>> get(std::string_view key) const override {
    TRY(fault(PortCall::store_read, 20'000));
    return inner_.get(key);
  }
  Result<void> scan(std::string_view prefix,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    TRY(fault(PortCall::store_read, 20'000));
    return inner_.scan(prefix, visit);
  }
  Result<void> write(const StoreBatch& batch) override {
    if (disk_.full) return fail(Reaction::stop, "The state in {} cannot be written: the disk is full.", name_);
    TRY(fault(PortCall::store_write, 200));
    auto& replaced = folder_.replaced.emplace_back();
    for (const auto& [key, value] : batch.changes) {
      const auto known = folder_.content->find(key);
      replaced.emplace_back(key, known == folder_.content->end() ? std::nullopt : std::optional(known->second));
      if (value) {
        folder_.content->insert_or_assign(key, *value);
      } else {
        folder_.content->erase(key);
      }
    }
    if (folder_.replaced.size() > SimFolder::kBatchesKept) folder_.replaced.pop_front();
    if (weather_.kills(PortCall::store_write, dead_)) return killed();
    return {};
  }
  std::string location() const override { return name_; }

 private:
  SimStore(SimDisk& disk, SimFolder& folder, std::string name, Weather& weather, bool& dead)
      : disk_(disk), folder_(folder), name_(std::move(name)), weather_(weather), dead_(dead), inner_(folder.content) {
    folder_.locked = true;
  }
  Result<void> fault(PortCall call, std::int64_t fails_one_in) const {
    if (dead_ || weather_.kills(call, dead_)) return killed();
    if (weather_.strikes(Fault::store_failure, fails_one_in)) {
      return fail(Reaction::retry, "The state in {} is busy.", name_);
    }
    return {};
  }

  SimDisk& disk_;
  SimFolder& folder_;
  std::string name_;
  Weather& weather_;
  bool& dead_;
  MemoryStore inner_;
};

}  // namespace fiverate::test
