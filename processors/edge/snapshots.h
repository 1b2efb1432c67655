// Copies of the states of tasks in a folder that machines share: who has lost its disk, or is new, begins from the newest copy
// instead of the log's beginning.
//
//   <dir>/<topics.prefix><task>/<next offset>-<checksum>.json   a snapshot: the names, sizes and checksums of its files
//                              /files/<checksum>                 what they hold; files that several snapshots share lie here once
//
// A snapshot is whole or not there: its .json is written last, under a name that carries its own checksum. It holds the input
// offset in the state itself, so it needs no agreement with anyone: any state of a task is a right one to go on from.
// Incremental: tables of RocksDB never change, so a file that the snapshot before has is neither read nor copied.
//
// Threads: one object a thread; several processes may use one folder at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "processors/edge/rocks_store.h"

namespace fiverate {

struct Snapshot {
  struct File {
    std::string name;  // in the state
    std::int64_t bytes = 0;
    std::string checksum;  // XXH3, 128 bits, 32 digits
  };
  std::string task;           // "outlet/3"
  std::string definition_id;  // of the state
  std::int64_t next_offset = 0;
  std::string store;  // RocksStore::identity
  std::vector<File> files;

  [[nodiscard]] std::int64_t bytes() const;
};

class SnapshotFolder {
 public:
  static constexpr int kKeep = 3;  // snapshots of each task

  SnapshotFolder(std::filesystem::path dir, std::string topic_prefix, int keep = kKeep)
      : dir_(std::move(dir)), prefix_(std::move(topic_prefix)), keep_(keep) {}

  struct Taken {
    Snapshot snapshot;
    std::int64_t copied_bytes = 0;  // the rest was there
  };
  // Called now and then while files are copied; false: leave off.
  using GoingOn = std::function<bool()>;

  // Of what `checkpoint` gives, by way of the folder `scratch`, which must lie on the state's disk. Then drops the oldest beyond
  // `keep`. Nothing: the newest has this offset already, the store is closed, or the state is on its way to where its task may speak
  // (stream/continuation.h).
  [[nodiscard]] Result<std::optional<Taken>> take(const RocksStore::Checkpoint& checkpoint, const std::string& store_identity,
                                                  const std::string& folder_name, const std::filesystem::path& scratch,
                                                  const GoingOn& going_on = {});

  struct Wanted {
    std::int64_t at_most =
        std::numeric_limits<std::int64_t>::max();  // input offset; one that is behind it is passed over
    // Asked of each that comes into question, before it is copied; false ends the search: those that are older are worth less.
    std::function<bool(const Snapshot&)> is_worth_it = {};
  };
  // Makes `folder` (absent or empty) the state of the newest snapshot of this definition that is wanted. One with a damaged or missing
  // file is left out with a warning. Nothing: there is none. Newest is what was taken last: topics that were made anew begin at low
  // offsets. Errors: retry: left off by `going_on`; stop: the folder cannot be made.
  [[nodiscard]] Result<std::optional<Snapshot>> restore(const std::string& folder_name,
                                                        const std::string& definition_id,
                                                        const std::filesystem::path& folder, const Wanted& wanted,
                                                        const GoingOn& going_on = {}) const;

  // Newest first. `folder_name` of a task is that of its state: "outlet-3".
  [[nodiscard]] std::vector<Snapshot> list(const std::string& folder_name) const;

 private:
  [[nodiscard]] std::filesystem::path home_of(const std::string& folder_name) const { return dir_ / (prefix_ + folder_name); }
  void prune(const std::string& folder_name) const;

  std::filesystem::path dir_;
  std::string prefix_;
  int keep_;
};

}  // namespace fiverate
