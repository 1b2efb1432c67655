#include "processors/edge/snapshots.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>

#include "processors/stream/task.h"
#include "state.pb.h"

namespace fiverate {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCopyBytes = 1 << 20;
// A file that no snapshot names may belong to one that another process is writing now. It is deleted when it is this old.
constexpr std::chrono::hours kUnnamedFileAge{6};
constexpr std::chrono::seconds kProgressEvery{2};
constexpr std::string_view kFiles = "files";

std::string hex(const XXH128_hash_t& hash) {
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string checksum_of(std::string_view bytes) {
  return hex(XXH3_128bits(bytes.data(), bytes.size()));
}

tl::unexpected<Error> io_error(std::string_view what, const fs::path& path) {
  return fail(Reaction::retry, "Snapshots: {} cannot be {}: {}.", path.string(), what, std::strerror(errno));
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

struct Copied {
  std::int64_t bytes = 0;
  std::string checksum;
};

// Creates `to`, which must be absent. It is on the disk when this returns, so that a snapshot survives a power failure.
Result<Copied> copy_file(const fs::path& from, const fs::path& to,
                         const SnapshotFolder::ShouldContinue& should_continue) {
  const File in(std::fopen(from.c_str(), "rb"));
  if (!in) return io_error("read", from);
  const File out(std::fopen(to.c_str(), "wbx"));
  if (!out) return io_error("written", to);
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> hash(XXH3_createState(), XXH3_freeState);
  XXH3_128bits_reset(hash.get());
  std::vector<char> buffer(kCopyBytes);
  Copied copied;
  while (const auto count = std::fread(buffer.data(), 1, buffer.size(), in.get())) {
    XXH3_128bits_update(hash.get(), buffer.data(), count);
    if (std::fwrite(buffer.data(), 1, count, out.get()) != count) return io_error("written", to);
    copied.bytes += static_cast<std::int64_t>(count);
    if (should_continue && !should_continue()) {
      return fail(Reaction::retry, "Snapshots: the copy to {} was cancelled.", to.string());
    }
  }
  if (std::ferror(in.get()) != 0) return io_error("read", from);
  if (std::fflush(out.get()) != 0 || ::fsync(::fileno(out.get())) != 0) return io_error("written", to);
  copied.checksum = hex(XXH3_128bits_digest(hash.get()));
  return copied;
}

Result<void> sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return io_error("opened", folder);
  const bool synced = ::fsync(descriptor) == 0;
  ::close(descriptor);
  if (!synced) return io_error("written", folder);
  return {};
}

// Deletes the folder at the beginning and at the end.
struct ScratchFolder {
  fs::path path;
  explicit ScratchFolder(fs::path folder) : path(std::move(folder)) { remove(); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() { remove(); }
  void remove() const {
    std::error_code code;
    fs::remove_all(path, code);
  }
};

// LOCK and LOG belong to a process, IDENTITY to a store. A restored store gets a new identity, so that its files are
// not confused with those of the store that was copied.
bool is_copied(const std::string& name) {
  return name != "LOCK" && name != "IDENTITY" && !name.starts_with("LOG");
}

// Nothing: nothing was committed yet.
Result<std::optional<TaskState>> state_in(const fs::path& folder) {
  TRY_VALUE(saved, read_value(folder, kTaskKey));
  if (!saved) return std::nullopt;
  TaskState state;
  if (state.ParseFromString(*saved)) return state;
  return fail(Reaction::stop, "The state in {} is damaged.", folder.string());
}

std::string manifest_text(const Snapshot& snapshot) {
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  for (const auto& file : snapshot.files) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"checksum", file.checksum}});
  }
  return nlohmann::ordered_json{{"task", snapshot.task},
                                {"definition_id", snapshot.definition_id},
                                {"next_offset", snapshot.next_offset},
                                {"store_id", snapshot.store_id},
                                {"files", files}}
             .dump(1) +
         "\n";
}

std::string manifest_name(std::int64_t next_offset, std::string_view checksum) {
  return fmt::format("{:020}-{}.json", next_offset, checksum);
}

std::optional<Snapshot> read_manifest(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  const auto json = nlohmann::json::parse(text.str(), nullptr, false);
  try {
    Snapshot snapshot{json.at("task"), json.at("definition_id"), json.at("next_offset"), json.at("store_id"), {}};
    for (const auto& file : json.at("files")) {
      snapshot.files.push_back({file.at("name"), file.at("bytes"), file.at("checksum")});
    }
    if (manifest_name(snapshot.next_offset, checksum_of(text.str())) == path.filename()) return snapshot;
  } catch (const nlohmann::json::exception&) {  // damaged
  }
  spdlog::warn("snapshots: {} is damaged and is ignored", path.string());
  return std::nullopt;
}

// Newest first.
std::vector<fs::path> manifests_in(const fs::path& folder) {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() == ".json") found.emplace_back(entry.last_write_time(code), entry.path());
  }
  std::ranges::sort(found, std::greater());
  std::vector<fs::path> paths;
  for (auto& [created_at, path] : found) paths.push_back(std::move(path));
  return paths;
}

// Copies one file of a state into the folder `files`, where its name is its checksum.
Result<Copied> store_file(const fs::path& from, const fs::path& files,
                          const SnapshotFolder::ShouldContinue& should_continue) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  const auto partial = files / fmt::format("{:016x}.partial", random());  // unique, for several processes write here
  auto copied = copy_file(from, partial, should_continue);
  if (copied && std::rename(partial.c_str(), (files / copied->checksum).c_str()) != 0) {
    copied = io_error("written", files);
  }
  std::error_code code;
  if (!copied) fs::remove(partial, code);
  return copied;
}

// Also makes the file look new, so that no other process deletes it (kUnnamedFileAge).
bool is_still_stored(const fs::path& files, const Snapshot::File& file) {
  const auto path = files / file.checksum;
  std::error_code code;
  fs::last_write_time(path, fs::file_time_type::clock::now(), code);
  return !code && static_cast<std::int64_t>(fs::file_size(path, code)) == file.bytes && !code;
}

// By name. A file name of another store may stand for another table.
std::map<std::string, Snapshot::File> tables_of(const std::vector<Snapshot>& snapshots, const std::string& store_id) {
  std::map<std::string, Snapshot::File> tables;
  for (const auto& snapshot : snapshots) {
    if (store_id.empty() || snapshot.store_id != store_id) continue;
    for (const auto& file : snapshot.files) {
      if (file.name.ends_with(".sst")) tables.emplace(file.name, file);
    }
  }
  return tables;
}

// The manifest appears in `folder` completely or not at all.
Result<void> write_manifest(const Snapshot& snapshot, const fs::path& scratch, const fs::path& folder) {
  const auto text = manifest_text(snapshot);
  const auto checksum = checksum_of(text);
  std::ofstream(scratch / "manifest", std::ios::binary) << text;
  TRY_VALUE(copied, store_file(scratch / "manifest", folder / kFiles, {}));
  if (copied.checksum != checksum) return fail(Reaction::retry, "Snapshots: {} cannot be written.", scratch.string());
  const auto manifest = folder / manifest_name(snapshot.next_offset, checksum);
  if (std::rename((folder / kFiles / checksum).c_str(), manifest.c_str()) != 0) return io_error("written", manifest);
  return sync_folder(folder);
}

}  // namespace

std::int64_t Snapshot::bytes() const {
  std::int64_t all = 0;
  for (const auto& file : files) all += file.bytes;
  return all;
}

std::vector<Snapshot> SnapshotFolder::list(const std::string& folder_name) const {
  std::vector<Snapshot> found;
  for (const auto& path : manifests_in(folder_of(folder_name))) {
    if (auto snapshot = read_manifest(path)) found.push_back(std::move(*snapshot));
  }
  return found;
}

Result<std::optional<SnapshotFolder::Created>> SnapshotFolder::create(const StoreCopier& copier,
                                                                      const std::string& folder_name,
                                                                      const fs::path& scratch,
                                                                      const ShouldContinue& should_continue) {
  const auto folder = folder_of(folder_name);
  const auto files = folder / kFiles;
  std::error_code code;
  fs::create_directories(files, code);
  if (code) return fail(Reaction::retry, "Snapshots: {} cannot be created: {}.", files.string(), code.message());

  const ScratchFolder copy(scratch);
  TRY_VALUE(is_open, copier.copy_to(copy.path));
  if (!is_open) return std::nullopt;
  TRY_VALUE(state, state_in(copy.path));
  if (!state || !state->has_outputs()) return std::nullopt;  // in a state-only replay outputs may not be published yet

  Created created{{state->task(), state->definition_id(), state->next_offset(), copier.store_id(), {}}, 0};
  const auto earlier = list(folder_name);
  if (!earlier.empty() && earlier.front().next_offset == created.snapshot.next_offset &&
      earlier.front().definition_id == created.snapshot.definition_id) {
    return std::nullopt;
  }
  const auto stored_tables = tables_of(earlier, copier.store_id());
  for (const auto& entry : fs::directory_iterator(copy.path, code)) {
    const auto name = entry.path().filename().string();
    if (!is_copied(name)) continue;
    if (const auto table = stored_tables.find(name);
        table != stored_tables.end() && is_still_stored(files, table->second)) {
      created.snapshot.files.push_back(table->second);
      continue;
    }
    TRY_VALUE(copied, store_file(entry.path(), files, should_continue));
    created.snapshot.files.push_back({name, copied.bytes, copied.checksum});
    created.copied_bytes += copied.bytes;
  }
  if (code) return fail(Reaction::retry, "Snapshots: {} cannot be read: {}.", copy.path.string(), code.message());
  TRY(sync_folder(files));
  TRY(write_manifest(created.snapshot, copy.path, folder));
  delete_old(folder_name);
  return created;
}

void SnapshotFolder::delete_old(const std::string& folder_name) const {
  const auto folder = folder_of(folder_name);
  std::set<std::string> named;
  std::error_code code;
  int kept = 0;
  for (const auto& path : manifests_in(folder)) {
    if (kept == keep_) {
      fs::remove(path, code);
      continue;
    }
    const auto snapshot = read_manifest(path);
    if (!snapshot) continue;
    ++kept;
    for (const auto& file : snapshot->files) named.insert(file.checksum);
  }
  for (const auto& entry : fs::directory_iterator(folder / kFiles, code)) {
    if (named.contains(entry.path().filename())) continue;
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time(code);
    if (!code && age > kUnnamedFileAge) fs::remove(entry.path(), code);
  }
}

Result<bool> SnapshotFolder::restore(const std::string& folder_name, const Snapshot& snapshot, const fs::path& to,
                                     const ShouldContinue& should_continue) const {
  using Clock = std::chrono::steady_clock;
  const auto files = folder_of(folder_name) / kFiles;
  std::error_code code;
  fs::remove_all(to, code);
  if (!code) fs::create_directories(to, code);
  if (code) return fail(Reaction::stop, "The folder {} cannot be created: {}.", to.string(), code.message());
  const auto megabytes = static_cast<double>(snapshot.bytes()) / 1e6;
  const auto start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  auto reported = start;
  std::int64_t done = 0;
  for (const auto& file : snapshot.files) {
    const auto copied = copy_file(files / file.checksum, to / file.name, should_continue);
    const bool is_cancelled = !copied && should_continue && !should_continue();
    if (is_cancelled) return tl::make_unexpected(copied.error());
    if (!copied || copied->checksum != file.checksum) {
      spdlog::warn("{}: the snapshot at offset {} is left out. {}", snapshot.task, snapshot.next_offset,
                   copied ? fmt::format("{} is damaged.", (files / file.checksum).string()) : copied.error().what);
      fs::remove_all(to, code);
      return false;
    }
    done += copied->bytes;
    if (Clock::now() - reported < kProgressEvery) continue;
    reported = Clock::now();
    spdlog::info("{}: {} of {:.0f} MB restored ({:.0f} MB/s)", snapshot.task, done / 1'000'000, megabytes,
                 static_cast<double>(done) / 1e6 / seconds());
  }
  TRY(sync_folder(to));
  spdlog::info("{}: restored from the snapshot at offset {}: {:.1f} MB in {:.2f} s", snapshot.task,
               snapshot.next_offset, megabytes, seconds());
  return true;
}

}  // namespace fiverate
