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
// What no snapshot names may belong to one that another process is just taking.
constexpr std::chrono::hours kUnnamedFor{6};
constexpr std::string_view kFiles = "files";
constexpr std::string_view kPartly = ".partly";

std::string hex(const XXH128_hash_t& hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

std::string checksum_of(std::string_view bytes) { return hex(XXH3_128bits(bytes.data(), bytes.size())); }

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

// To the disk, not only on its way: what calls itself a copy has to survive the machine.
Result<Copied> copy_checked(const fs::path& from, const fs::path& to, const SnapshotFolder::GoingOn& going_on = {}) {
  const File in(std::fopen(from.c_str(), "rb"));
  if (!in) return io_error("read", from);
  const File out(std::fopen(to.c_str(), "wbx"));  // ours alone
  if (!out) return io_error("written", to);
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> hash(XXH3_createState(), XXH3_freeState);
  XXH3_128bits_reset(hash.get());
  std::vector<char> buffer(kCopyBytes);
  Copied copied;
  for (;;) {
    const auto count = std::fread(buffer.data(), 1, buffer.size(), in.get());
    if (count == 0) break;
    XXH3_128bits_update(hash.get(), buffer.data(), count);
    if (std::fwrite(buffer.data(), 1, count, out.get()) != count) return io_error("written", to);
    copied.bytes += static_cast<std::int64_t>(count);
    if (going_on && !going_on()) return fail(Reaction::retry, "Snapshots: left off at {}.", to.string());
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

Result<void> rename_file(const fs::path& from, const fs::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) return io_error("written", to);
  return {};
}

// Locks and logs are a process's own; the identity is the store's: two that begin from one snapshot become different.
bool is_copied(const std::string& name) { return name != "LOCK" && name != "IDENTITY" && !name.starts_with("LOG"); }

std::string manifest_text(const Snapshot& snapshot) {
  nlohmann::ordered_json files = nlohmann::ordered_json::array();
  for (const auto& file : snapshot.files) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"checksum", file.checksum}});
  }
  return nlohmann::ordered_json{{"task", snapshot.task},
                                {"definition_id", snapshot.definition_id},
                                {"next_offset", snapshot.next_offset},
                                {"store", snapshot.store},
                                {"files", files}}
             .dump(1) +
         "\n";
}

std::optional<Snapshot> parse_manifest(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  try {
    Snapshot snapshot{json.at("task"), json.at("definition_id"), json.at("next_offset"), json.at("store"), {}};
    for (const auto& file : json.at("files")) {
      snapshot.files.push_back({file.at("name"), file.at("bytes"), file.at("checksum")});
    }
    return snapshot;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

// "00000000000000012345-<checksum>.json": in order of offsets.
std::string manifest_name(const Snapshot& snapshot, std::string_view text) {
  return fmt::format("{:020}-{}.json", snapshot.next_offset, checksum_of(text));
}

// Newest first: what was taken last, by the clock of the shared disk.
std::vector<fs::path> manifests_in(const fs::path& home) {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(home, code)) {
    if (entry.path().extension() == ".json") found.emplace_back(entry.last_write_time(code), entry.path());
  }
  std::ranges::sort(found, std::greater());
  std::vector<fs::path> paths;
  for (auto& [taken_at, path] : found) paths.push_back(std::move(path));
  return paths;
}

// Of no other process, also where all have the same pid.
std::string partly_name(std::string_view name) {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("{}-{:016x}{}", name, random(), kPartly);
}

std::optional<Snapshot> read_manifest(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  auto snapshot = in ? parse_manifest(text.str()) : std::nullopt;
  if (snapshot && manifest_name(*snapshot, text.str()) == path.filename()) return snapshot;
  spdlog::warn("snapshots: {} is damaged and left out", path.string());
  return std::nullopt;
}

Result<std::vector<fs::path>> files_of(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.is_regular_file() && is_copied(entry.path().filename())) found.push_back(entry.path());
  }
  if (code) return fail(Reaction::retry, "Snapshots: {} cannot be read: {}.", folder.string(), code.message());
  std::ranges::sort(found);
  return found;
}

// The folder is gone when this is.
struct Scratch {
  fs::path folder;
  explicit Scratch(fs::path path) : folder(std::move(path)) { remove(); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { remove(); }
  void remove() const {
    std::error_code code;
    fs::remove_all(folder, code);
  }
};

Result<void> copy_back(const Snapshot& snapshot, const fs::path& home, const fs::path& folder,
                       const SnapshotFolder::GoingOn& going_on) {
  const auto began = std::chrono::steady_clock::now();
  auto told = began;
  std::int64_t done = 0;
  for (const auto& file : snapshot.files) {
    const auto copied = copy_checked(home / kFiles / file.checksum, folder / file.name, going_on);
    if (!copied) return tl::make_unexpected(copied.error());
    if (copied->checksum != file.checksum || copied->bytes != file.bytes) {
      return fail(Reaction::retry, "Snapshots: {} is damaged.", (home / kFiles / file.checksum).string());
    }
    done += copied->bytes;
    const auto now = std::chrono::steady_clock::now();
    if (now - told < std::chrono::seconds(2)) continue;
    told = now;
    const auto seconds = std::chrono::duration<double>(now - began).count();
    spdlog::info("{}: {} of {} MB restored ({:.0f} MB/s)", snapshot.task, done / 1'000'000, snapshot.bytes() / 1'000'000,
                 static_cast<double>(done) / 1e6 / seconds);
  }
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
  for (const auto& path : manifests_in(home_of(folder_name))) {
    if (auto snapshot = read_manifest(path)) found.push_back(std::move(*snapshot));
  }
  return found;
}

Result<std::optional<SnapshotFolder::Taken>> SnapshotFolder::take(const RocksStore::Checkpoint& checkpoint,
                                                                  const std::string& store_identity,
                                                                  const std::string& folder_name, const fs::path& scratch,
                                                                  const GoingOn& going_on) {
  const auto home = home_of(folder_name);
  const auto shared = home / kFiles;
  std::error_code code;
  fs::create_directories(shared, code);
  if (code) return fail(Reaction::retry, "Snapshots: {} cannot be made: {}.", shared.string(), code.message());

  const Scratch copy(scratch);
  const auto made = checkpoint(copy.folder);
  if (!made) return tl::make_unexpected(made.error());
  if (!*made) return std::nullopt;
  const auto saved = read_value(copy.folder, kTaskKey);
  if (!saved) return tl::make_unexpected(saved.error());
  if (!*saved) return std::nullopt;  // nothing was committed yet
  TaskState state;
  if (!state.ParseFromString(**saved)) return fail(Reaction::stop, "The state of {} is damaged.", folder_name);
  if (!state.has_outputs()) return std::nullopt;  // a state-only replay has not reached its checkpoint

  Taken taken{{state.task(), state.definition_id(), state.next_offset(), store_identity, {}}, 0};
  const auto before = list(folder_name);
  if (!before.empty() && before.front().next_offset == state.next_offset() &&
      before.front().definition_id == state.definition_id()) {
    return std::nullopt;
  }
  std::map<std::string, Snapshot::File> known;
  if (!before.empty() && before.front().store == store_identity && !store_identity.empty()) {
    for (const auto& file : before.front().files) {
      if (file.name.ends_with(".sst")) known[file.name] = file;  // never changes
    }
  }

  const auto files = files_of(copy.folder);
  if (!files) return tl::make_unexpected(files.error());
  for (const auto& path : *files) {
    const auto name = path.filename().string();
    const auto bytes = static_cast<std::int64_t>(fs::file_size(path, code));
    if (const auto found = known.find(name); found != known.end() && found->second.bytes == bytes) {
      const auto stored = shared / found->second.checksum;
      fs::last_write_time(stored, fs::file_time_type::clock::now(), code);  // see kUnnamedFor
      if (!code && static_cast<std::int64_t>(fs::file_size(stored, code)) == bytes) {
        taken.snapshot.files.push_back(found->second);
        continue;
      }
    }
    const auto partly = shared / partly_name(name);
    const auto copied = copy_checked(path, partly, going_on);
    if (!copied) {
      fs::remove(partly, code);
      return tl::make_unexpected(copied.error());
    }
    FIVERATE_TRY(rename_file(partly, shared / copied->checksum));
    taken.snapshot.files.push_back({name, copied->bytes, copied->checksum});
    taken.copied_bytes += copied->bytes;
  }
  FIVERATE_TRY(sync_folder(shared));

  const auto text = manifest_text(taken.snapshot);
  const auto partly = home / partly_name("manifest");
  {
    const auto manifest = copy.folder / "manifest";
    std::ofstream(manifest, std::ios::binary) << text;
    const auto written = copy_checked(manifest, partly);
    if (!written) return tl::make_unexpected(written.error());
    if (written->checksum != checksum_of(text)) return fail(Reaction::retry, "Snapshots: {} was not written whole.", partly.string());
  }
  FIVERATE_TRY(rename_file(partly, home / manifest_name(taken.snapshot, text)));
  FIVERATE_TRY(sync_folder(home));
  prune(folder_name);
  return taken;
}

void SnapshotFolder::prune(const std::string& folder_name) const {
  const auto home = home_of(folder_name);
  const auto manifests = manifests_in(home);
  std::set<std::string> named;
  std::error_code code;
  int kept = 0;
  for (const auto& path : manifests) {
    if (kept == keep_) {
      fs::remove(path, code);
      continue;
    }
    const auto snapshot = read_manifest(path);
    if (!snapshot) continue;
    ++kept;
    for (const auto& file : snapshot->files) named.insert(file.checksum);
  }
  for (const auto& entry : fs::directory_iterator(home / kFiles, code)) {
    if (named.contains(entry.path().filename())) continue;
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time(code);
    if (!code && age > kUnnamedFor) fs::remove(entry.path(), code);
  }
}

Result<std::optional<Snapshot>> SnapshotFolder::restore(const std::string& folder_name,
                                                        const std::string& definition_id, const fs::path& folder,
                                                        const Wanted& wanted, const GoingOn& going_on) const {
  for (auto& snapshot : list(folder_name)) {
    if (snapshot.next_offset > wanted.at_most) continue;
    if (snapshot.definition_id != definition_id) {
      spdlog::info("snapshots: {} at offset {} is of another definition and left out", folder_name, snapshot.next_offset);
      continue;
    }
    if (wanted.is_worth_it && !wanted.is_worth_it(snapshot)) return std::nullopt;
    const Scratch copy(folder.string() + ".restoring");
    std::error_code code;
    fs::create_directories(copy.folder, code);
    if (code) return fail(Reaction::stop, "The folder {} cannot be made: {}.", copy.folder.string(), code.message());
    const auto began = std::chrono::steady_clock::now();
    if (const auto copied = copy_back(snapshot, home_of(folder_name), copy.folder, going_on); !copied) {
      if (going_on && !going_on()) return tl::make_unexpected(copied.error());
      spdlog::warn("{}: the snapshot at offset {} is left out. {}", snapshot.task, snapshot.next_offset, copied.error().what);
      continue;
    }
    fs::remove(folder, code);  // if it is there, it is empty
    fs::rename(copy.folder, folder, code);
    if (code) return fail(Reaction::stop, "The folder {} cannot be made: {}.", folder.string(), code.message());
    FIVERATE_TRY(sync_folder(folder.parent_path()));
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    spdlog::info("{}: restored from the snapshot at offset {}: {:.1f} MB in {:.2f} s", snapshot.task, snapshot.next_offset,
                 static_cast<double>(snapshot.bytes()) / 1e6, seconds);
    return std::move(snapshot);
  }
  return std::nullopt;
}

}  // namespace fiverate
