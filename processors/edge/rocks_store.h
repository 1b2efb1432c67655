// The state of a task in a folder: one RocksDB database with one column family. A write is one WriteBatch. It is in the
// write-ahead log when write() returns, but not synced to the disk, so a kill loses nothing. A power failure may lose
// the last batches; state and offset are in one batch, so the task then resumes from an earlier offset.
//
// A state can always be rebuilt from the log, so a damaged one is refused and never repaired.
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
struct Options;
}  // namespace rocksdb

namespace fiverate {

// The memory that the stores of a process share: the block cache and the write buffers, together within the budget.
// Writers never wait for a flush, so a burst of writes may exceed the budget until it is on disk. Outlives the stores.
class RocksMemory {
 public:
  explicit RocksMemory(std::size_t budget_bytes);
  ~RocksMemory();
  RocksMemory(const RocksMemory&) = delete;
  RocksMemory& operator=(const RocksMemory&) = delete;

  [[nodiscard]] std::size_t used_bytes() const;

 private:
  friend class RocksStore;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::unique_ptr<rocksdb::Options> options_;  // of each store
};

// Makes copies of an open store. Any thread may use it, also while the store is written. It may outlive the store.
class StoreCopier {
 public:
  // Creates `folder`, on the disk of the store, with the present content: whole batches, the table files as hard links.
  // False: the store is closed.
  [[nodiscard]] Result<bool> copy_to(const std::filesystem::path& folder) const;
  // Differs between any two stores, also if both were restored from one snapshot and their files have equal names.
  [[nodiscard]] const std::string& store_id() const { return store_id_; }

 private:
  friend class RocksStore;
  StoreCopier(std::weak_ptr<rocksdb::DB> db, std::string store_id)
      : db_(std::move(db)), store_id_(std::move(store_id)) {}

  std::weak_ptr<rocksdb::DB> db_;
  std::string store_id_;
};

// Reads one value of a store that is not open, for example of a copy.
[[nodiscard]] Result<std::optional<std::string>> read_value(const std::filesystem::path& folder, std::string_view key);

// Errors: wait: this or another process has the folder open; stop: the state is damaged, the disk is full, or writing
// is not permitted. After a failed write the store refuses all further writes.
class RocksStore final : public Store {
 public:
  // Creates the folder if it is absent.
  [[nodiscard]] static Result<std::unique_ptr<RocksStore>> open(const std::filesystem::path& folder,
                                                                const RocksMemory& memory);
  ~RocksStore() override;

  Result<std::optional<std::string>> get(std::string_view key) const override;
  Result<void> scan(std::string_view prefix,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const override;
  Result<void> write(const StoreBatch& batch) override;
  std::string location() const override { return folder_.string(); }
  std::int64_t bytes() const override;

  [[nodiscard]] StoreCopier copier() const;

 private:
  RocksStore(std::filesystem::path folder, std::unique_ptr<rocksdb::DB> db);

  std::filesystem::path folder_;
  std::shared_ptr<rocksdb::DB> db_;  // shared with a StoreCopier while it copies
  std::optional<Error> failed_;
};

}  // namespace fiverate
