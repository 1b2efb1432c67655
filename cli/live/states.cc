#include "cli/live/states.h"

#include <spdlog/spdlog.h>

#include <chrono>
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

Result<States::Opened> States::open(const std::string& folder_name) {
  const auto folder = dir_ / folder_name;
  Opened opened;
  {
    const std::lock_guard lock(mutex_);
    if (const auto order = speak_from_.extract(folder_name)) opened.speak_from = order.mapped();
  }
  if (opened.speak_from) FIVERATE_TRY(go_back_before(folder, *opened.speak_from));
  if (!holds_state(folder)) {
    const auto restored = restore(folder_name, folder, opened.speak_from);
    if (!restored) return tl::make_unexpected(restored.error());
    opened.rebuilt = true;
  }
  auto store = RocksStore::open(folder, memory_);
  if (!store) return tl::make_unexpected(store.error());
  if (snapshots_) {
    const std::lock_guard lock(mutex_);
    open_.insert_or_assign(folder_name, Open{(*store)->checkpoint(), (*store)->identity()});
  }
  opened.store = std::move(*store);
  return opened;
}

Result<bool> States::restore(const std::string& folder_name, const fs::path& folder, std::optional<std::int64_t> at_most) {
  if (!snapshots_) return false;
  const auto found = at_most ? snapshots_->restore(folder_name, definition_id_, folder, *at_most)
                             : snapshots_->restore(folder_name, definition_id_, folder);
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
  fs::remove_all(aside, code);
  fs::rename(folder, aside, code);
  if (code) return fail(Reaction::stop, "{} cannot be set aside: {}.", folder.string(), code.message());
  spdlog::info("{}: set aside, for it is beyond offset {}; remove {} when all is well", folder.string(), offset, aside.string());
  return {};
}

void States::take_snapshots() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, snapshot_every_, [&] { return stopping_; })) {
    const auto open = open_;
    lock.unlock();
    for (const auto& [folder_name, one] : open) {
      const auto began = std::chrono::steady_clock::now();
      const auto taken = snapshots_->take(one.checkpoint, one.identity, folder_name, dir_ / (folder_name + ".checkpoint"));
      if (!taken) {
        spdlog::warn("{}: no snapshot was taken. {}", folder_name, taken.error().what);
      } else if (*taken) {
        const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        spdlog::info("{}: snapshot at offset {}: {:.1f} MB, {:.1f} of them new, {:.2f} s", folder_name, (*taken)->snapshot.next_offset,
                     static_cast<double>((*taken)->snapshot.bytes()) / 1e6, static_cast<double>((*taken)->copied_bytes) / 1e6,
                     seconds);
      }
      const std::lock_guard stop_lock(mutex_);
      if (stopping_) return;
    }
    lock.lock();
  }
}

}  // namespace fiverate
