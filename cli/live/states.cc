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

// A state that is beyond where a task is to speak from.
Result<void> set_aside(const fs::path& folder, std::int64_t offset) {
  const auto aside = beside(folder, "before-speak-from");
  std::error_code code;
  if (fs::exists(aside, code)) {  // of a first try: that is the one to keep
    fs::remove_all(folder, code);
  } else {
    fs::rename(folder, aside, code);
  }
  if (code) return cannot_move(folder, code);
  spdlog::info("{}: set aside, for it is beyond offset {}; remove {} when all is well", folder.string(), offset,
               aside.string());
  return {};
}

// Nothing: nothing was ever committed here.
Result<std::optional<TaskState>> state_in(const Store& store) {
  const auto saved = store.get(kTaskKey);
  if (!saved) return tl::make_unexpected(saved.error());
  if (!*saved) return std::nullopt;
  TaskState state;
  if (state.ParseFromString(**saved)) return state;
  return fail(Reaction::stop,
              "The state in {} is damaged: remove the folder, it is rebuilt from a snapshot or the log.",
              store.where());
}

// Before this offset the task cannot say anything again.
std::int64_t may_speak_from(const TaskState& state) {
  return std::max(state.next_offset(), state.has_continuation() ? state.continuation().offset() : 0);
}

}  // namespace

std::string task_folder(const Input& input) {
  const auto stage = stage_reading(input.topic);
  return fmt::format("{}-{}", stage == Stage::intake ? name_of(input.topic) : name_of(stage), input.partition);
}

States::States(const Config& config, std::size_t memory_bytes, std::string definition_id, std::map<std::string, std::int64_t> speak_from)
    : dir_(config.state.dir),
      definition_id_(std::move(definition_id)),
      memory_(memory_bytes),
      snapshot_every_(config.snapshots.every_s),
      speak_from_(std::move(speak_from)) {
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

Result<States::Opened> States::open(const std::string& folder_name, const SnapshotFolder::GoingOn& going_on) {
  const auto folder = dir_ / folder_name;
  Opened opened;
  opened.speak_from = order_of(folder_name);
  FIVERATE_TRY(put_back(folder));
  auto store = RocksStore::open(folder, memory_);
  if (!store) return tl::make_unexpected(store.error());
  auto here = state_in(**store);
  if (!here) return tl::make_unexpected(here.error());
  if (*here && opened.speak_from && may_speak_from(**here) > *opened.speak_from) {
    store->reset();
    FIVERATE_TRY(set_aside(folder, *opened.speak_from));
    here->reset();
    store = RocksStore::open(folder, memory_);
    if (!store) return tl::make_unexpected(store.error());
  }
  opened.rebuilt = !*here;
  // A state of another definition is not replaced: the task refuses it, and a person looks.
  if (snapshots_ && (!*here || (*here)->definition_id() == definition_id_)) {
    SnapshotFolder::Wanted wanted;
    if (opened.speak_from) wanted.at_most = *opened.speak_from;
    if (*here) {
      wanted.is_worth_it = [offset = (*here)->next_offset()](const Snapshot& snapshot) {
        return snapshot.next_offset - offset > snapshot.bytes() / kBytesPerRecord;
      };
    }
    const auto newer = beside(folder, "newer");
    // The store stays open meanwhile: nobody else begins here.
    const auto copied = copy_back(folder_name, newer, wanted, going_on);
    if (!copied) return tl::make_unexpected(copied.error());
    if (*copied) {
      store->reset();
      FIVERATE_TRY(replace(folder, newer));
      store = RocksStore::open(folder, memory_);
      if (!store) return tl::make_unexpected(store.error());
      opened.rebuilt = true;
    } else if (!*here) {
      spdlog::info("{}: no snapshot of it; it is built from the log's beginning", folder_name);
    }
  }
  if (snapshots_) {
    const std::lock_guard lock(mutex_);
    open_.insert_or_assign(folder_name, Open{(*store)->checkpoint(), (*store)->identity()});
  }
  opened.store = std::move(*store);
  return opened;
}

std::optional<std::int64_t> States::order_of(const std::string& folder_name) {
  const std::lock_guard lock(mutex_);
  const auto order = speak_from_.find(folder_name);
  return order == speak_from_.end() ? std::nullopt : std::optional(order->second);
}

void States::carried_out(const std::string& folder_name) {
  const std::lock_guard lock(mutex_);
  if (speak_from_.erase(folder_name) > 0) spdlog::info("{}: has said again what it was to say (--speak-from)", folder_name);
}

std::map<std::string, std::int64_t> States::orders() {
  const std::lock_guard lock(mutex_);
  return speak_from_;
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
