#include "processors/edge/rocks_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <system_error>

namespace fiverate {
namespace {

namespace fs = std::filesystem;

// The write buffer of one store is a share of the budget, because an idle store keeps its buffer in memory.
constexpr std::size_t kWriteBufferShare = 16;
constexpr std::size_t kWriteBufferBytesMin = 1 << 20;
constexpr std::size_t kWriteBufferBytesMax = 32 << 20;
constexpr std::size_t kBlockBytes = 16 << 10;
constexpr double kBloomBitsPerKey = 10;
constexpr double kMemtableBloomShare = 0.02;  // of a write buffer
constexpr int kOpenFilesMax = 256;            // of one store; a process may have many stores

// Sends RocksDB's errors to our log. RocksDB's own log file is not written: Debian's build has assertions enabled, and
// one of them ends the process if that file cannot be written because the disk is full.
class Log final : public rocksdb::Logger {
 public:
  explicit Log(fs::path folder) : Logger(rocksdb::ERROR_LEVEL), folder_(std::move(folder)) {}
  using Logger::Logv;
  void Logv(const char*, va_list) override {}  // the header lines: not logged
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list values) override {
    if (level < rocksdb::ERROR_LEVEL || level >= rocksdb::HEADER_LEVEL) return;
    std::array<char, 1024> line{};
    std::vsnprintf(line.data(), line.size(), format, values);
    spdlog::warn("rocksdb: {}: {}", folder_.string(), line.data());
  }

 private:
  fs::path folder_;
};

rocksdb::Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view view(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

bool mentions(const rocksdb::Status& status, std::string_view text) {
  const auto* state = status.getState();
  return state != nullptr && std::string_view(state).find(text) != std::string_view::npos;
}

bool is_locked(const rocksdb::Status& status) {
  return status.IsIOError() && (mentions(status, "lock hold by") || mentions(status, "While lock file"));
}

bool is_full(const rocksdb::Status& status) {
  return status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit;
}

// The only function that translates a status of RocksDB into an Error.
Error store_error(const rocksdb::Status& status, const fs::path& folder) {
  const auto error = [&](Reaction reaction, std::string_view sentence) {
    return Error{reaction, fmt::format("The state in {} {} ({}).", folder.string(), sentence, status.ToString())};
  };
  if (is_full(status)) {
    return error(Reaction::stop, "cannot be written: the disk is full. Free some space and start again");
  }
  if (status.IsCorruption()) return error(Reaction::stop, "is damaged: remove the folder, it is rebuilt from the log");
  if (is_locked(status)) return error(Reaction::wait, "is in use by another process");
  if (mentions(status, "Read-only file system") || mentions(status, "Permission denied")) {
    return error(Reaction::stop, "cannot be written: the file system is read-only, or the permission is missing");
  }
  if (mentions(status, "Too many open files")) {
    return error(Reaction::stop, "cannot be opened: too many open files. Raise the limit (ulimit -n)");
  }
  if (status.IsPathNotFound() || mentions(status, "No such file")) {
    return error(Reaction::stop, "has a missing file: remove the folder, it is rebuilt from the log");
  }
  if (status.IsBusy() || status.IsTimedOut() || status.IsTryAgain()) return error(Reaction::retry, "is busy");
  if (status.IsNotSupported() || status.IsInvalidArgument()) {
    return error(
        Reaction::stop,
        "was written by another version of RocksDB, or is damaged: remove the folder, it is rebuilt from the log");
  }
  return error(Reaction::stop, "cannot be read or written");
}

Error folder_error(const fs::path& folder, const std::error_code& code) {
  if (code == std::errc::no_space_on_device) {
    return {Reaction::stop, fmt::format("The folder {} cannot be created: the disk is full.", folder.string())};
  }
  return {Reaction::stop, fmt::format("The folder {} cannot be created or read: {}.", folder.string(), code.message())};
}

// RocksDB treats a folder without the file CURRENT as empty, even if it contains tables and logs: a damaged state would
// be overwritten by an empty one.
Result<void> check_not_truncated(const fs::path& folder) {
  std::error_code code;
  if (fs::exists(folder / "CURRENT", code)) return {};
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const auto extension = entry.path().extension();
    if (extension != ".sst" && extension != ".log") continue;
    return fail(Reaction::stop,
                "The state in {} is damaged: remove the folder, it is rebuilt from the log (CURRENT is missing).",
                folder.string());
  }
  if (code) return tl::make_unexpected(folder_error(folder, code));
  return {};
}

}  // namespace

RocksMemory::RocksMemory(std::size_t budget_bytes)
    : cache_(rocksdb::NewLRUCache(budget_bytes)), options_(std::make_unique<rocksdb::Options>()) {
  auto& options = *options_;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(budget_bytes / 2, cache_);
  options.write_buffer_size = std::clamp(budget_bytes / kWriteBufferShare, kWriteBufferBytesMin, kWriteBufferBytesMax);
  // While a log is read for the first time, most keys that are looked up are absent.
  options.memtable_prefix_bloom_size_ratio = kMemtableBloomShare;
  options.memtable_whole_key_filtering = true;
  options.compression = rocksdb::kLZ4Compression;
  options.level_compaction_dynamic_level_bytes = true;
  options.max_background_jobs = 2;
  options.max_open_files = kOpenFilesMax;
  // After a full disk Resume() succeeds but later writes fail (RocksDB #11643). The store is opened again instead.
  options.max_bgerror_resume_count = 0;

  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache_;
  table.block_size = kBlockBytes;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  table.cache_index_and_filter_blocks = true;  // counts towards the budget
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
}

RocksMemory::~RocksMemory() = default;

std::size_t RocksMemory::used_bytes() const {
  return cache_->GetUsage();
}

Result<std::unique_ptr<RocksStore>> RocksStore::open(const fs::path& folder, const RocksMemory& memory) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) return tl::make_unexpected(folder_error(folder, code));
  TRY(check_not_truncated(folder));

  auto options = *memory.options_;
  options.info_log = std::make_shared<Log>(folder);
  rocksdb::DB* opened = nullptr;
  const auto status = rocksdb::DB::Open(options, folder.string(), &opened);
  std::unique_ptr<rocksdb::DB> db(opened);
  if (!status.ok()) return tl::make_unexpected(store_error(status, folder));
  return std::unique_ptr<RocksStore>(new RocksStore(folder, std::move(db)));
}

RocksStore::RocksStore(fs::path folder, std::unique_ptr<rocksdb::DB> db)
    : folder_(std::move(folder)), db_(std::move(db)) {}

RocksStore::~RocksStore() = default;

Result<std::optional<std::string>> RocksStore::get(std::string_view key) const {
  std::string value;
  const auto status = db_->Get({}, slice(key), &value);
  if (status.ok()) return value;
  if (status.IsNotFound()) return std::nullopt;
  return tl::make_unexpected(store_error(status, folder_));
}

Result<void> RocksStore::scan(std::string_view prefix,
                              const std::function<bool(std::string_view, std::string_view)>& visit) const {
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
  for (at->Seek(slice(prefix)); at->Valid() && view(at->key()).starts_with(prefix); at->Next()) {
    if (!visit(view(at->key()), view(at->value()))) return {};
  }
  if (!at->status().ok()) return tl::make_unexpected(store_error(at->status(), folder_));
  return {};
}

StoreCopier RocksStore::copier() const {
  std::string store_id;
  if (!db_->GetDbIdentity(store_id).ok()) store_id.clear();
  return {db_, std::move(store_id)};
}

Result<bool> StoreCopier::copy_to(const fs::path& folder) const {
  const auto db = db_.lock();
  if (!db) return false;
  rocksdb::Checkpoint* created = nullptr;
  auto status = rocksdb::Checkpoint::Create(db.get(), &created);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(created);
  // Flushes the write buffers first, so that nearly all of the copy is table files, which never change.
  if (status.ok()) status = checkpoint->CreateCheckpoint(folder.string());
  if (!status.ok()) return tl::make_unexpected(store_error(status, folder));
  return true;
}

Result<std::optional<std::string>> read_value(const fs::path& folder, std::string_view key) {
  rocksdb::Options options;
  options.info_log = std::make_shared<Log>(folder);
  rocksdb::DB* opened = nullptr;
  auto status = rocksdb::DB::OpenForReadOnly(options, folder.string(), &opened);
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::string value;
  if (status.ok()) status = db->Get({}, slice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return tl::make_unexpected(store_error(status, folder));
  return value;
}

std::int64_t RocksStore::bytes() const {
  std::int64_t bytes = 0;
  for (const auto* property : {"rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables"}) {
    std::uint64_t value = 0;
    if (db_->GetIntProperty(property, &value)) bytes += static_cast<std::int64_t>(value);
  }
  return bytes;
}

Result<void> RocksStore::write(const StoreBatch& batch) {
  if (failed_) return tl::make_unexpected(*failed_);
  rocksdb::WriteBatch changes;
  rocksdb::Status status;
  for (const auto& [key, value] : batch.changes) {
    status = value ? changes.Put(slice(key), slice(*value)) : changes.Delete(slice(key));
    if (!status.ok()) break;
  }
  if (status.ok()) status = db_->Write(rocksdb::WriteOptions(), &changes);
  if (status.ok()) return {};
  failed_ = store_error(status, folder_);
  return tl::make_unexpected(*failed_);
}

}  // namespace fiverate
