// The state of a task in a folder: one RocksDB a task, one column family. A write is one WriteBatch, in the write-ahead
// log but not forced to the disk: after a kill all of it is there; after a power cut the end may be missing, and since
// state and offset lie in one batch the task goes on from an earlier offset.
//
// The state can always be rebuilt from the log, so a damaged one is refused, never repaired.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "processors/stream/ports.h"

namespace rocksdb {
class Cache;
class DB;
class WriteBufferManager;
}  // namespace rocksdb

namespace fiverate {

// What the stores of a process share: blocks read and writes not yet on disk, together within the budget (a
// burst of writes may pass it until it is on disk: nobody is made to wait). Outlives them.
class RocksMemory {
 public:
  explicit RocksMemory(std::size_t budget_bytes);
  ~RocksMemory();
  RocksMemory(const RocksMemory&) = delete;
  RocksMemory& operator=(const RocksMemory&) = delete;

  [[nodiscard]] std::size_t used_bytes() const;

 private:
  friend class RocksStore;
  std::size_t write_buffer_bytes_;  // of one store
  std::shared_ptr<rocksdb::Cache> cache_;
  std::shared_ptr<rocksdb::WriteBufferManager> writes_;
};

// Whether there is a state in a folder.
bool holds_state(const std::filesystem::path& folder);
// A value of a store that nobody has open, as of a checkpoint.
[[nodiscard]] Result<std::optional<std::string>> read_value(const std::filesystem::path& folder, std::string_view key);

// Errors: wait: the folder is in use by another process, or still by this one; stop: damaged, disk full, may not be written to. After a failed write it refuses every other.
class RocksStore final : public Store {
 public:
  // Makes the folder if it is absent.
  [[nodiscard]] static Result<std::unique_ptr<RocksStore>> open(const std::filesystem::path& folder,
                                                                const RocksMemory& memory);
  ~RocksStore() override;

  Result<std::optional<std::string>> get(std::string_view key) const override;
  Result<void> scan(std::string_view prefix,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const override;
  Result<void> write(const StoreBatch& batch) override;
  std::string location() const override { return folder_.string(); }
  std::int64_t bytes() const override;

  // Makes a second folder of the state as it is now, whole batches, by hard links: both have to be on one disk. To be called from any
  // thread, also while the store is written. False: the store is closed by now.
  using Checkpoint = std::function<Result<bool>(const std::filesystem::path& folder)>;
  [[nodiscard]] Checkpoint checkpoint() const;
  // Tells apart two stores whose files have the same names.
  [[nodiscard]] std::string identity() const;

 private:
  RocksStore(std::filesystem::path folder, std::unique_ptr<rocksdb::DB> db);

  std::filesystem::path folder_;
  std::shared_ptr<rocksdb::DB> db_;  // shared with a checkpoint at work
  std::optional<Error> failed_;
};

}  // namespace fiverate
