// Snapshots: copies of task states in a folder that several machines share. A task whose state is missing, or far
// behind, restores the newest snapshot instead of reading its log from the beginning.
//
//   <dir>/<topics.prefix><task>/<next offset>-<checksum>.json   a snapshot: names, sizes and checksums of its files
//                              /files/<checksum>                the files; snapshots that share a file store it once
//
// The .json is written last, and its name contains the checksum of its content, so a snapshot is either complete or
// ignored. The state itself contains its input offset, and a task may resume from any of its states, so a snapshot
// depends on nothing else.
// Snapshots are incremental: RocksDB never changes a table file, so a table of an earlier snapshot is not copied again.
// Why this is not RocksDB's BackupEngine: docs/decisions/0024-snapshots.md.
//
// Threads: each thread uses its own object. Several processes may use one folder at the same time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "processors/edge/rocks_store.h"

namespace fiverate {

struct Snapshot {
  struct File {
    std::string name;  // in the state's folder
    std::int64_t bytes = 0;
    std::string checksum;  // XXH3, 128 bits, as 32 hex digits
  };
  std::string task;           // "outlet/3"
  std::string definition_id;  // of the state
  std::int64_t next_offset = 0;
  std::string store_id;  // StoreCopier::store_id of the copied store
  std::vector<File> files;

  [[nodiscard]] std::int64_t bytes() const;
};

class SnapshotFolder {
 public:
  static constexpr int kKeep = 3;  // snapshots of each task

  SnapshotFolder(std::filesystem::path dir, std::string topic_prefix, int keep = kKeep)
      : dir_(std::move(dir)), prefix_(std::move(topic_prefix)), keep_(keep) {}

  // Called after each MiB that is copied. False cancels the copy, which then returns an error with Reaction::retry.
  using ShouldContinue = std::function<bool()>;

  struct Created {
    Snapshot snapshot;
    std::int64_t copied_bytes = 0;  // the other files were in the folder already
  };
  // Copies the store into the folder `scratch`, which must be on the store's disk, and from there into a snapshot. Then
  // deletes the oldest snapshots beyond `keep`. `folder_name` is that of the task's state: "outlet-3".
  // Nothing: the newest snapshot has this offset already, the store is closed or empty, or a state-only replay is in
  // progress.
  [[nodiscard]] Result<std::optional<Created>> create(const StoreCopier& copier, const std::string& folder_name,
                                                      const std::filesystem::path& scratch,
                                                      const ShouldContinue& should_continue = {});

  // The snapshots of a task, newest first. Newest is the one created last, by the clock of the shared disk: a snapshot
  // from before the topics were created again may have a higher offset. Damaged ones are omitted with a warning.
  [[nodiscard]] std::vector<Snapshot> list(const std::string& folder_name) const;

  // Makes the folder `to` a copy of the snapshot and checks each file. False: a file is damaged or missing, which is
  // logged as a warning. After an error `to` may contain a part of the snapshot.
  [[nodiscard]] Result<bool> restore(const std::string& folder_name, const Snapshot& snapshot,
                                     const std::filesystem::path& to, const ShouldContinue& should_continue = {}) const;

 private:
  [[nodiscard]] std::filesystem::path folder_of(const std::string& folder_name) const {
    return dir_ / (prefix_ + folder_name);
  }
  void delete_old(const std::string& folder_name) const;

  std::filesystem::path dir_;
  std::string prefix_;
  int keep_;
};

}  // namespace fiverate
