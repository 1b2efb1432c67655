#include "processors/edge/states.h"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <system_error>

namespace fiverate {

namespace fs = std::filesystem;

namespace {

// A snapshot is copied at about 100 MB/s, and a state-only replay reads about 50,000 records/s.
constexpr std::int64_t kBytesPerRecord = 2'000;

fs::path beside(const fs::path& folder, std::string_view suffix) {
  return folder.string() + "." + std::string(suffix);
}

tl::unexpected<Error> cannot_move(const fs::path& folder, const std::error_code& code) {
  return fail(Reaction::stop, "{} cannot be moved or removed: {}.", folder.string(), code.message());
}

Result<void> remove_folder(const fs::path& folder) {
  std::error_code code;
  fs::remove_all(folder, code);
  if (code) return cannot_move(folder, code);
  return {};
}

// Removes or reverts what a crash has left of a restore.
Result<void> clean_up(const fs::path& folder) {
  const auto older = beside(folder, "older");
  std::error_code code;
  TRY(remove_folder(beside(folder, "newer")));
  if (fs::exists(folder, code)) return remove_folder(older);
  if (fs::exists(older, code)) fs::rename(older, folder, code);
  if (code) return cannot_move(older, code);
  return {};
}

// No process has either of the folders open.
Result<void> replace(const fs::path& folder, const fs::path& newer) {
  const auto older = beside(folder, "older");
  std::error_code code;
  fs::rename(folder, older, code);
  if (code) return cannot_move(folder, code);
  // A crash here means that the next start moves the older state back.
  fs::rename(newer, folder, code);
  if (code) {  // another process of this machine has started meanwhile and has moved the older state back
    return fail(Reaction::retry, "{} could not replace the state: {}.", newer.string(), code.message());
  }
  // A crash here means that the next start removes the older state.
  fs::remove_all(older, code);
  return {};
}

}  // namespace

States::States(fs::path dir, const SnapshotSettings& snapshots, std::size_t memory_bytes, std::string definition_id)
    : dir_(std::move(dir)), definition_id_(std::move(definition_id)), memory_(memory_bytes) {
  if (snapshots.dir.empty()) return;
  snapshots_.emplace(snapshots.dir, snapshots.topic_prefix, snapshots.keep);
  thread_ = std::jthread([this, every = snapshots.every](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any stopped;
    for (std::unique_lock lock(mutex); !stopped.wait_for(lock, stop, every, [&] { return stop.stop_requested(); });) {
      create_snapshots(stop);
    }
  });
}

Result<std::unique_ptr<Store>> States::open(const std::string& folder_name, const std::optional<Checkpoint>& checkpoint,
                                            const SnapshotFolder::ShouldContinue& should_continue) {
  const auto folder = dir_ / folder_name;
  TRY(clean_up(folder));
  TRY_VALUE(store, RocksStore::open(folder, memory_));
  TRY_VALUE(local, read_task_state(*store));
  const auto reopen_after = [&](const Result<void>& changed) -> Result<void> {
    TRY(changed);
    TRY_VALUE(opened, RocksStore::open(folder, memory_));
    store = std::move(opened);
    return {};
  };
  if (local && !is_usable(*local, checkpoint)) {
    spdlog::info("{}: the state is removed: it was built before a reset of its task, or not completely",
                 folder.string());
    store.reset();
    local.reset();
    TRY(reopen_after(remove_folder(folder)));
  }
  // The store stays open during the copy, so that no other process of this machine opens the folder.
  TRY_VALUE(restored, restore(folder_name, local, checkpoint, should_continue));
  if (restored) {
    store.reset();
    TRY(reopen_after(replace(folder, beside(folder, "newer"))));
  }
  if (snapshots_) {
    const std::lock_guard lock(mutex_);
    open_.insert_or_assign(folder_name, store->copier());
  }
  return std::move(store);
}

// Copies the newest undamaged snapshot into the folder "newer". False: the local state stays.
Result<bool> States::restore(const std::string& folder_name, const std::optional<TaskState>& local,
                             const std::optional<Checkpoint>& checkpoint,
                             const SnapshotFolder::ShouldContinue& should_continue) {
  if (!snapshots_) return false;
  // The task refuses a state of another definition and reports it; a snapshot must not hide that.
  if (local && local->definition_id() != definition_id_) return false;
  for (const auto& snapshot : snapshots_->list(folder_name)) {
    if (snapshot.definition_id != definition_id_) {
      spdlog::info("{}: the snapshot at offset {} is left out: it has another definition", folder_name,
                   snapshot.next_offset);
      continue;
    }
    if (checkpoint && checkpoint->emit_from() > 0 && snapshot.next_offset > checkpoint->emit_from())
      continue;  // taken before the reset
    // Where the newest snapshot does not save time, an older one does not either.
    if (local && snapshot.next_offset - local->next_offset() <= snapshot.bytes() / kBytesPerRecord) return false;
    const auto restored =
        snapshots_->restore(folder_name, snapshot, beside(dir_ / folder_name, "newer"), should_continue);
    if (!restored || *restored) return restored;
  }
  if (!local)
    spdlog::info("{}: there is no snapshot of it; the state is built from the beginning of the log", folder_name);
  return false;
}

void States::create_snapshots(const std::stop_token& stop) {
  if (!snapshots_) return;
  const auto open = [&] {
    const std::lock_guard lock(mutex_);
    return open_;
  }();
  for (const auto& [folder_name, store] : open) {
    if (stop.stop_requested()) return;
    if (is_our_turn(folder_name, store)) create_snapshot(folder_name, store, stop);
  }
}

// An owner and its standbys have the same state in different files, so if they took turns, each snapshot would be a
// full copy. The process that created the newest one continues, until it has created none for some rounds of the
// others. Rounds are counted, and not time, because the clocks of machines differ.
bool States::is_our_turn(const std::string& folder_name, const StoreCopier& store) {
  constexpr int kRoundsLeftToOthers = 2;
  const auto snapshots = snapshots_->list(folder_name);
  if (snapshots.empty() || snapshots.front().store_id == store.store_id()) return true;
  const auto& newest = snapshots.front();
  auto& foreign = foreign_[folder_name];
  if (foreign.store_id != newest.store_id || foreign.next_offset != newest.next_offset) {
    foreign = {newest.store_id, newest.next_offset, 0};
  }
  return ++foreign.rounds > kRoundsLeftToOthers;
}

void States::create_snapshot(const std::string& folder_name, const StoreCopier& store, const std::stop_token& stop) {
  const auto start = std::chrono::steady_clock::now();
  const auto created = snapshots_->create(store, folder_name, beside(dir_ / folder_name, "snapshot"),
                                          [&] { return !stop.stop_requested(); });
  if (!created) {
    if (!stop.stop_requested()) spdlog::warn("{}: no snapshot was taken. {}", folder_name, created.error().what);
  } else if (*created) {
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    spdlog::info("{}: snapshot at offset {}: {:.1f} MB, {:.1f} of them new, {:.2f} s", folder_name,
                 (*created)->snapshot.next_offset, static_cast<double>((*created)->snapshot.bytes()) / 1e6,
                 static_cast<double>((*created)->copied_bytes) / 1e6, seconds);
  }
}

}  // namespace fiverate
