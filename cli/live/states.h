// The states of the tasks of a process: opens the store of each, from its folder, else from the newest snapshot, else new; and takes
// snapshots of those that are open, in a thread of its own.
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

namespace fiverate {

// "outlet-3": the folder of a task's state, and its name on the command line.
std::string task_folder(Stage stage, std::int32_t partition);

// Thread-safe.
class States {
 public:
  // `speak_from`: by task_folder, the offset from which on it is to say again what it said (--speak-from).
  States(const Config& config, std::string definition_id, std::map<std::string, std::int64_t> speak_from);
  States(const States&) = delete;
  States& operator=(const States&) = delete;
  ~States();

  struct Opened {
    std::unique_ptr<Store> store;
    bool rebuilt = false;
    std::optional<std::int64_t> speak_from;
  };
  // `going_on` is called now and then while a snapshot is copied; false: leave off.
  [[nodiscard]] Result<Opened> open(const std::string& folder_name, const SnapshotFolder::GoingOn& going_on);

  // An order to speak again is done; those that are not.
  void carried_out(const std::string& folder_name);
  [[nodiscard]] std::map<std::string, std::int64_t> orders();

 private:
  struct Open {
    RocksStore::Checkpoint checkpoint;
    std::string identity;
  };
  Result<bool> restore(const std::string& folder_name, const std::filesystem::path& folder, std::optional<std::int64_t> at_most,
                       const SnapshotFolder::GoingOn& going_on);
  // Sets a state aside that is beyond this offset.
  Result<void> go_back_before(const std::filesystem::path& folder, std::int64_t offset);
  void take_snapshots();

  std::filesystem::path dir_;
  std::string definition_id_;
  RocksMemory memory_;
  std::optional<SnapshotFolder> snapshots_;
  std::chrono::seconds snapshot_every_;

  std::mutex mutex_;
  std::condition_variable stopped_;
  std::atomic<bool> stopping_ = false;
  std::map<std::string, std::int64_t> speak_from_;  // those not yet carried out
  std::map<std::string, Open> open_;
  std::thread thread_;
};

}  // namespace fiverate
