// The states of the tasks of a process. States opens the store of each task, restores it from a snapshot if that is
// faster than reading the log, and creates snapshots of the open stores in a thread of its own.
//
// Any state of a task is a valid one, older or newer than the offset that the group has committed: nothing is written
// to a store before Kafka has acknowledged the outputs that follow from it (stream/task.h). The folders of a task:
//
//   outlet-3            the state
//   outlet-3.newer      a snapshot that is being restored and will replace the state
//   outlet-3.older      the state during its replacement; a start that finds it without outlet-3 moves it back
//   outlet-3.snapshot   a copy of the state from which a snapshot is being created
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "processors/edge/rocks_store.h"
#include "processors/edge/snapshots.h"
#include "processors/stream/task.h"

namespace fiverate {

struct SnapshotSettings {
  std::filesystem::path dir;  // shared between machines; empty: no snapshots
  std::string topic_prefix;
  int keep = SnapshotFolder::kKeep;
  std::chrono::seconds every{600};
};

// Thread-safe.
class States {
 public:
  States(std::filesystem::path dir, const SnapshotSettings& snapshots, std::size_t memory_bytes,
         std::string definition_id);
  States(const States&) = delete;
  States& operator=(const States&) = delete;
  ~States() = default;

  // Opens the state in the folder, or first replaces it by a snapshot if that takes less time than reading the records between them. A
  // state that the task may not start from with this checkpoint (is_usable) is removed. Without state and snapshot the store is empty.
  // `should_continue` is called while a snapshot is copied; false cancels with Reaction::retry. The other errors are those of
  // RocksStore::open.
  [[nodiscard]] Result<std::unique_ptr<Store>> open(const std::string& folder_name,
                                                    const std::optional<Checkpoint>& checkpoint,
                                                    const SnapshotFolder::ShouldContinue& should_continue);

  // Creates a snapshot of each open state that has changed, unless another process creates those of the task. The
  // thread calls this every SnapshotSettings::every. A test may call it while the thread waits.
  void create_snapshots(const std::stop_token& stop = {});

 private:
  [[nodiscard]] Result<bool> restore(const std::string& folder_name, const std::optional<TaskState>& local,
                                     const std::optional<Checkpoint>& checkpoint,
                                     const SnapshotFolder::ShouldContinue& should_continue);
  [[nodiscard]] bool is_our_turn(const std::string& folder_name, const StoreCopier& store);
  void create_snapshot(const std::string& folder_name, const StoreCopier& store, const std::stop_token& stop);

  std::filesystem::path dir_;
  std::string definition_id_;
  RocksMemory memory_;
  std::optional<SnapshotFolder> snapshots_;

  std::mutex mutex_;
  std::map<std::string, StoreCopier> open_;  // by folder name
  struct Foreign {
    std::string store_id;
    std::int64_t next_offset = 0;
    int rounds = 0;  // of ours in which it was the newest snapshot
  };
  // By folder name: the newest snapshot of another store. Only create_snapshots() uses it.
  std::map<std::string, Foreign> foreign_;
  std::jthread thread_;
};

}  // namespace fiverate
