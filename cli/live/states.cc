#include "cli/live/states.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <limits>
#include <system_error>

#include "processors/stream/task.h"
#include "state.pb.h"

namespace fiverate {

namespace fs = std::filesystem;

std::string task_folder(Stage stage, std::int32_t partition) { return fmt::format("{}-{}", name_of(stage), partition); }

States::States(const Config& config, std::string definition_id, std::map<std::string, std::int64_t> speak_from)
    : dir_(config.state.dir),
      definition_id_(std::move(definition_id)),
      memory_((static_cast<std::size_t>(config.state.memory_mib) << 20) / 2),
      snapshot_every_(config.snapshots.every_s),
      speak_from_(std::move(speak_from)) {
  if (config.snapshots.dir.empty()) return;
  snapshots_.emplace(config.snapshots.dir, config.topics.prefix, config.snapshots.keep);
  thread_ = std::thread([this] { take_snapshots(); });
}

States::~States() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<States::Opened> States::open(const std::string& folder_name, const SnapshotFolder::GoingOn& going_on) {
  const auto folder = dir_ / folder_name;
  Opened opened;
  {
    const std::lock_guard lock(mutex_);
    if (const auto order = speak_from_.find(folder_name); order != speak_from_.end()) opened.speak_from = order->second;
  }
  if (opened.speak_from) FIVERATE_TRY(go_back_before(folder, *opened.speak_from));
  auto store = RocksStore::open(folder, memory_);
  if (!store) return tl::make_unexpected(store.error());
  const auto saved = (*store)->get(kTaskKey);
  if (!saved) return tl::make_unexpected(saved.error());
  opened.rebuilt = !*saved;  // nothing was ever committed here
  if (opened.rebuilt && snapshots_) {
    store->reset();
    std::error_code code;
    fs::remove_all(folder, code);
    const auto restored = restore(folder_name, folder, opened.speak_from, going_on);
    if (!restored) return tl::make_unexpected(restored.error());
    store = RocksStore::open(folder, memory_);
    if (!store) return tl::make_unexpected(store.error());
  }
  if (snapshots_) {
    const std::lock_guard lock(mutex_);
    open_.insert_or_assign(folder_name, Open{(*store)->checkpoint(), (*store)->identity()});
  }
  opened.store = std::move(*store);
  return opened;
}

void States::carried_out(const std::string& folder_name) {
  const std::lock_guard lock(mutex_);
  if (speak_from_.erase(folder_name) > 0) spdlog::info("{}: has said again what it was to say (--speak-from)", folder_name);
}

std::map<std::string, std::int64_t> States::orders() {
  const std::lock_guard lock(mutex_);
  return speak_from_;
}

Result<bool> States::restore(const std::string& folder_name, const fs::path& folder, std::optional<std::int64_t> at_most,
                             const SnapshotFolder::GoingOn& going_on) {
  const auto newest = std::numeric_limits<std::int64_t>::max();
  const auto found = snapshots_->restore(folder_name, definition_id_, folder, at_most.value_or(newest), going_on);
  if (!found) return tl::make_unexpected(found.error());
  if (!*found) spdlog::info("{}: no snapshot of it; it is built from the log's beginning", folder_name);
  return found->has_value();
}

Result<void> States::go_back_before(const fs::path& folder, std::int64_t offset) {
  if (!holds_state(folder)) return {};
  {
    const auto store = RocksStore::open(folder, memory_);  // nobody else has it
    if (!store) return tl::make_unexpected(store.error());
    const auto saved = (*store)->get(kTaskKey);
    if (!saved) return tl::make_unexpected(saved.error());
    TaskState state;
    if (*saved && state.ParseFromString(**saved) && state.next_offset() <= offset) return {};
  }
  const fs::path aside = folder.string() + ".before-speak-from";
  std::error_code code;
  if (fs::exists(aside, code)) {  // of a first try: that is the one to keep
    fs::remove_all(folder, code);
  } else {
    fs::rename(folder, aside, code);
  }
  if (code) return fail(Reaction::stop, "{} cannot be set aside: {}.", folder.string(), code.message());
  spdlog::info("{}: set aside, for it is beyond offset {}; remove {} when all is well", folder.string(), offset, aside.string());
  return {};
}

void States::take_snapshots() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, snapshot_every_, [&] { return stopping_.load(); })) {
    const auto open = open_;
    lock.unlock();
    for (const auto& [folder_name, one] : open) {
      const auto began = std::chrono::steady_clock::now();
      const auto taken = snapshots_->take(one.checkpoint, one.identity, folder_name, dir_ / (folder_name + ".checkpoint"),
                                          [this] { return !stopping_; });
      if (stopping_) return;
      if (!taken) {
        spdlog::warn("{}: no snapshot was taken. {}", folder_name, taken.error().what);
      } else if (*taken) {
        const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        spdlog::info("{}: snapshot at offset {}: {:.1f} MB, {:.1f} of them new, {:.2f} s", folder_name, (*taken)->snapshot.next_offset,
                     static_cast<double>((*taken)->snapshot.bytes()) / 1e6, static_cast<double>((*taken)->copied_bytes) / 1e6,
                     seconds);
      }
    }
    lock.lock();
  }
}

}  // namespace fiverate
