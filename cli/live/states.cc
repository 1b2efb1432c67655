#include "cli/live/states.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "processors/stream/task.h"
#include "state.pb.h"

namespace fiverate {

namespace fs = std::filesystem;

namespace {

// About as much is copied back (100 MB/s) in the time in which a record is folded in silence (50,000 a second).
constexpr std::int64_t kBytesPerRecord = 2'000;

fs::path beside(const fs::path& folder, std::string_view what) {
  return folder.string() + "." + std::string(what);
}

tl::unexpected<Error> cannot_move(const fs::path& folder, const std::error_code& code) {
  return fail(Reaction::stop, "{} cannot be moved or removed: {}.", folder.string(), code.message());
}

// A crash between two renames of replace().
Result<void> put_back(const fs::path& folder) {
  const auto older = beside(folder, "older");
  std::error_code code;
  if (!fs::exists(older, code)) return {};
  if (fs::exists(folder, code)) {
    fs::remove_all(older, code);
  } else {
    fs::rename(older, folder, code);
  }
  if (code) return cannot_move(older, code);
  return {};
}

// Nobody has either of them open.
Result<void> replace(const fs::path& folder, const fs::path& newer) {
  const auto older = beside(folder, "older");
  std::error_code code;
  fs::rename(folder, older, code);
  if (code) return cannot_move(folder, code);
  // A crash here: put_back().
  fs::rename(newer, folder, code);
  if (code) {  // another process of this machine has put the older one back meanwhile
    return fail(Reaction::retry, "{} could not take its place: {}.", newer.string(), code.message());
  }
  fs::remove_all(older, code);  // or at the next start
  return {};
}

Result<void> remove_folder(const fs::path& folder) {
  std::error_code code;
  fs::remove_all(folder, code);
  if (code) return cannot_move(folder, code);
  return {};
}

}  // namespace

States::States(const Config& config, std::size_t memory_bytes, std::string definition_id)
    : dir_(config.state.dir),
      definition_id_(std::move(definition_id)),
      memory_(memory_bytes),
      snapshot_every_(config.snapshots.every_s) {
  if (config.snapshots.dir.empty()) return;
  snapshots_.emplace(config.snapshots.dir, config.topics.prefix, config.snapshots.keep);
  thread_ = std::thread([this] { take_snapshots_now_and_then(); });
}

States::~States() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<std::unique_ptr<Store>> States::open(const std::string& folder_name, const std::optional<Checkpoint>& checkpoint,
                                            const SnapshotFolder::GoingOn& going_on) {
  const auto folder = dir_ / folder_name;
  TRY(put_back(folder));
  TRY_VALUE(store, RocksStore::open(folder, memory_));
  TRY_VALUE(state, read_task_state(*store));
  if (state && !is_usable(*state, checkpoint)) {
    spdlog::info("{}: the state was built before a reset of its task, or not completely, and is removed", folder.string());
    store.reset();
    TRY(remove_folder(folder));
    state.reset();
    TRY_VALUE(empty, RocksStore::open(folder, memory_));
    store = std::move(empty);
  }
  // A state of another definition is not replaced: the task refuses it, and a person has to decide.
  if (snapshots_ && (!state || state->definition_id() == definition_id_)) {
    SnapshotFolder::Wanted wanted;
    if (checkpoint && checkpoint->emit_from() > 0) wanted.at_most = checkpoint->emit_from();
    if (state) {
      wanted.is_worth_it = [offset = state->next_offset()](const Snapshot& snapshot) {
        return snapshot.next_offset - offset > snapshot.bytes() / kBytesPerRecord;
      };
    }
    const auto newer = beside(folder, "newer");
    // The store stays open meanwhile, so that no other process starts here.
    TRY_VALUE(copied, copy_back(folder_name, newer, wanted, going_on));
    if (copied) {
      store.reset();
      TRY(replace(folder, newer));
      TRY_VALUE(restored, RocksStore::open(folder, memory_));
      store = std::move(restored);
    } else if (!state) {
      spdlog::info("{}: no snapshot of it; it is built from the log's beginning", folder_name);
    }
  }
  if (snapshots_) {
    const std::lock_guard lock(mutex_);
    open_.insert_or_assign(folder_name, Open{store->checkpoint(), store->identity()});
  }
  return std::move(store);
}

Result<bool> States::copy_back(const std::string& folder_name, const fs::path& folder,
                               const SnapshotFolder::Wanted& wanted, const SnapshotFolder::GoingOn& going_on) {
  std::error_code code;
  fs::remove_all(folder, code);  // of one that was killed
  const auto found = snapshots_->restore(folder_name, definition_id_, folder, wanted, going_on);
  if (!found) return tl::make_unexpected(found.error());
  return found->has_value();
}

void States::take_snapshots_now_and_then() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, snapshot_every_, [&] { return stopping_.load(); })) {
    lock.unlock();
    take_snapshots();
    lock.lock();
  }
}

void States::take_snapshots() {
  if (!snapshots_) return;
  std::map<std::string, Open> open;
  {
    const std::lock_guard lock(mutex_);
    open = open_;
  }
  for (const auto& [folder_name, one] : open) {
    if (stopping_) return;
    if (is_our_turn(folder_name, one)) take_snapshot(folder_name, one);
  }
}

// An owner, its standbys and its twins have the same state in different files: taken in turn, each snapshot would be a full copy. Whoever
// took the last one goes on, until no new one has come for kLeftToOthers rounds. (By rounds, not by the age of a file: clocks differ.)
bool States::is_our_turn(const std::string& folder_name, const Open& one) {
  constexpr int kLeftToOthers = 2;
  const auto taken = snapshots_->list(folder_name);
  if (taken.empty() || taken.front().store == one.identity) return true;
  const auto& newest = taken.front();
  auto& others = others_[folder_name];
  if (others.store != newest.store || others.next_offset != newest.next_offset)
    others = {newest.store, newest.next_offset, 0};
  return ++others.rounds > kLeftToOthers;
}

void States::take_snapshot(const std::string& folder_name, const Open& one) {
  const auto began = std::chrono::steady_clock::now();
  const auto taken = snapshots_->take(one.checkpoint, one.identity, folder_name, dir_ / (folder_name + ".checkpoint"),
                                      [this] { return !stopping_; });
  if (!taken) {
    if (!stopping_) spdlog::warn("{}: no snapshot was taken. {}", folder_name, taken.error().what);
  } else if (*taken) {
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    spdlog::info("{}: snapshot at offset {}: {:.1f} MB, {:.1f} of them new, {:.2f} s", folder_name,
                 (*taken)->snapshot.next_offset, static_cast<double>((*taken)->snapshot.bytes()) / 1e6,
                 static_cast<double>((*taken)->copied_bytes) / 1e6, seconds);
  }
}

}  // namespace fiverate
