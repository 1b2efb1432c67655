// The states of the tasks of a process: opens the store of each and takes snapshots of those that are open, in a thread of its own.
//
// What a task begins from is the state in its folder, unless the newest snapshot is so far ahead of it that copying it back takes less
// time than reading on; without either it begins anew. Any state is a right one, behind its group or ahead of it: nothing is written to
// a store, or to a snapshot, before Kafka has acknowledged what follows from it (stream/task.h). A state that a snapshot replaces stays
// whole until the copy is:
//
//   outlet-3                     the state
//   outlet-3.newer               a snapshot that is copied back, to take its place
//   outlet-3.older               what it replaces, for a moment. Found without the state: put back
//   outlet-3.checkpoint          what a snapshot is copied from
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "cli/config/config.h"
#include "processors/edge/rocks_store.h"
#include "processors/edge/snapshots.h"
#include "processors/stages/topology.h"
#include "processors/stream/task.h"

namespace fiverate {

// Thread-safe.
class States {
 public:
  States(const Config& config, std::size_t memory_bytes, std::string definition_id);
  States(const States&) = delete;
  States& operator=(const States&) = delete;
  ~States();

  // A state that a task may start from with this checkpoint (is_usable), or an empty one. `going_on` is called repeatedly while a snapshot is
  // copied; false: stop copying. Errors: those of RocksStore::open; retry: copying was stopped.
  [[nodiscard]] Result<std::unique_ptr<Store>> open(const std::string& folder_name, const std::optional<Checkpoint>& checkpoint,
                                                    const SnapshotFolder::GoingOn& going_on);

  // Takes a snapshot of each state that is open and has moved, unless somebody else takes them; the thread does it every
  // snapshots.every_s. For tests: from one thread, and while that one waits.
  void take_snapshots();

 private:
  struct Open {
    RocksStore::Checkpoint checkpoint;
    std::string identity;
  };
  // From a snapshot into `folder`. False: none is wanted.
  Result<bool> copy_back(const std::string& folder_name, const std::filesystem::path& folder,
                         const SnapshotFolder::Wanted& wanted, const SnapshotFolder::GoingOn& going_on);
  bool is_our_turn(const std::string& folder_name, const Open& one);
  void take_snapshot(const std::string& folder_name, const Open& one);
  void take_snapshots_now_and_then();

  std::filesystem::path dir_;
  std::string definition_id_;
  RocksMemory memory_;
  std::optional<SnapshotFolder> snapshots_;
  std::chrono::seconds snapshot_every_;

  std::mutex mutex_;
  std::condition_variable stopped_;
  std::atomic<bool> stopping_ = false;
  std::map<std::string, Open> open_;
  struct Others {
    std::string store;  // of the newest snapshot
    std::int64_t next_offset = 0;
    int rounds = 0;  // that it has been the newest
  };
  std::map<std::string, Others> others_;  // of the thread: by task_folder, what another process takes
  std::thread thread_;
};

}  // namespace fiverate
