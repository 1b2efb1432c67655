#include "cli/live/memory_limit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <mutex>
#include <new>
#include <sstream>
#include <string_view>
#include <vector>

#include "schemas/format.h"

namespace fiverate {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMib = std::int64_t{1} << 20;
constexpr std::int64_t kUnlimited = std::int64_t{1} << 60;  // version 1 writes about 2^63 for no limit
constexpr std::int32_t kMemoryMibMin = 64;                  // of state.memory_mib

std::vector<std::string> fields_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

// A mounted hierarchy of cgroups that limits memory.
struct Hierarchy {
  bool is_version_2 = false;
  std::string root;  // the cgroup that is mounted
  std::string mount_point;
};

// A line of /proc/self/mountinfo: ID PARENT DEVICE ROOT MOUNT_POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS
std::optional<Hierarchy> hierarchy_of(const std::string& line) {
  constexpr std::size_t kRoot = 3;
  constexpr std::size_t kMountPoint = 4;
  const auto fields = fields_of(line);
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (fields.size() <= kMountPoint || fields.end() - dash < 4) return std::nullopt;
  const auto& options = dash[3];
  if (dash[1] == "cgroup2") return Hierarchy{true, fields[kRoot], fields[kMountPoint]};
  if (dash[1] == "cgroup" && ("," + options + ",").find(",memory,") != std::string::npos)
    return Hierarchy{false, fields[kRoot], fields[kMountPoint]};
  return std::nullopt;
}

// The cgroup of this process from a line of /proc/self/cgroup: NUMBER:CONTROLLERS:PATH; version 2 has no controllers.
std::optional<std::string> cgroup_in(const std::string& line, bool is_version_2) {
  const auto first = line.find(':');
  const auto second = line.find(':', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  const auto controllers = line.substr(first + 1, second - first - 1);
  const bool matches =
      is_version_2 ? controllers.empty() : ("," + controllers + ",").find(",memory,") != std::string::npos;
  return matches ? std::optional(line.substr(second + 1)) : std::nullopt;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The number in the file; nullopt for "max", for none and without the file.
std::optional<std::int64_t> limit_in(const fs::path& path) {
  std::string text;
  std::ifstream(path) >> text;
  std::int64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc{} || end != text.data() + text.size() || bytes >= kUnlimited) return std::nullopt;
  return bytes;
}

// The memory of the process that cannot be written back to a file.
std::int64_t private_bytes() {
  std::int64_t size = 0;
  std::int64_t resident = 0;
  std::int64_t shared = 0;
  std::ifstream("/proc/self/statm") >> size >> resident >> shared;
  return (resident - shared) * ::sysconf(_SC_PAGESIZE);
}

// ---- out of memory: everything below runs where nothing can be allocated

void write_message(std::string_view text) {
  (void)!::write(STDERR_FILENO, text.data(), text.size());
}

[[noreturn]] void exit_out_of_memory() {
  write_message(
      "fiverate: Out of memory: the system refused an allocation. Raise the limit of the process (ulimit -v, the "
      "memory of "
      "the machine), or lower state.memory_mib. The state on disk is whole; the next start resumes from it.\n");
  std::_Exit(1);
}

// Whether the address space is nearly as large as `ulimit -v` allows.
bool is_address_space_exhausted() {
  const auto limit = address_space_limit();
  if (limit == std::numeric_limits<std::uint64_t>::max()) return false;
  const int statm = ::open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  std::array<char, 64> text{};
  const auto size = ::read(statm, text.data(), text.size());
  ::close(statm);
  std::uint64_t pages = 0;
  std::from_chars(text.data(), text.data() + std::max<ssize_t>(size, 0), pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) > limit / 10 * 9;
}

// librdkafka asserts that its allocations succeed.
extern "C" void on_abort(int signal) {
  if (is_address_space_exhausted()) exit_out_of_memory();
  (void)std::signal(signal, SIG_DFL);
  (void)std::raise(signal);
}

}  // namespace

std::optional<MemoryLimit> cgroup_memory_limit(const fs::path& root) {
  const auto at_root = [&](const fs::path& path) { return root / path.relative_path(); };
  const auto cgroups = lines_of(at_root("/proc/self/cgroup"));
  std::optional<MemoryLimit> lowest;
  for (const auto& line : lines_of(at_root("/proc/self/mountinfo"))) {
    const auto hierarchy = hierarchy_of(line);
    if (!hierarchy) continue;
    for (const auto& entry : cgroups) {
      auto cgroup = cgroup_in(entry, hierarchy->is_version_2);
      if (!cgroup) continue;
      // In a container only a part of the hierarchy is mounted.
      if (hierarchy->root != "/" && cgroup->starts_with(hierarchy->root)) cgroup->erase(0, hierarchy->root.size());
      const fs::path mount_point = hierarchy->mount_point;
      for (auto group = fs::path(*cgroup).relative_path();; group = group.parent_path()) {
        const auto file = mount_point / group / (hierarchy->is_version_2 ? "memory.max" : "memory.limit_in_bytes");
        const auto bytes = limit_in(at_root(file));
        if (bytes && (!lowest || *bytes < lowest->bytes))
          lowest = MemoryLimit{*bytes, file.lexically_normal().string()};
        if (group.empty()) break;
      }
    }
  }
  return lowest;
}

std::optional<std::string> memory_problem(std::int32_t memory_mib, const std::optional<MemoryLimit>& limit) {
  if (!limit || (std::int64_t{memory_mib} + kMemoryOverheadMib) * kMib <= limit->bytes) return std::nullopt;
  const auto limit_mib = limit->bytes / kMib;
  const auto fitting = limit_mib - kMemoryOverheadMib;
  auto text = fmt::format(
      "state.memory_mib is {}, but this process may use {} MiB ({}), and it needs {} MiB beside state.memory_mib. ",
      memory_mib, limit_mib, limit->file, kMemoryOverheadMib);
  if (fitting >= kMemoryMibMin) text += fmt::format("Set state.memory_mib to {} or less, or raise", fitting);
  return text + fmt::format("{} the limit to {} MiB or more.", fitting >= kMemoryMibMin ? "" : "Raise",
                            (fitting >= kMemoryMibMin ? memory_mib : kMemoryMibMin) + kMemoryOverheadMib);
}

std::optional<std::string> address_space_problem(std::int32_t memory_mib, std::uint64_t limit_bytes) {
  const auto needed_mib = std::int64_t{memory_mib} + kAddressSpaceOverheadMib;
  if (static_cast<std::uint64_t>(needed_mib * kMib) <= limit_bytes) return std::nullopt;
  return fmt::format(
      "The address space of this process is limited to {} MiB (ulimit -v), but with state.memory_mib {} it needs {} "
      "MiB. Raise "
      "the limit, or lower state.memory_mib. To limit memory, use a cgroup instead.",
      limit_bytes / static_cast<std::uint64_t>(kMib), memory_mib, needed_mib);
}

std::uint64_t address_space_limit() {
  rlimit limit{};
  const bool is_limited = ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return is_limited ? limit.rlim_cur : std::numeric_limits<std::uint64_t>::max();
}

MemoryWatch::MemoryWatch(const MemoryLimit& limit, std::function<void(const std::string&)> on_exhausted)
    : thread_([limit, on_exhausted = std::move(on_exhausted)](const std::stop_token& stop) {
        constexpr std::chrono::milliseconds kEvery{100};
        constexpr std::int64_t kExhaustedPercent = 95;
        std::mutex mutex;
        std::condition_variable_any stopped;
        std::unique_lock lock(mutex);
        while (!stopped.wait_for(lock, stop, kEvery, [&] { return stop.stop_requested(); })) {
          const auto used = private_bytes();
          if (used * 100 < limit.bytes * kExhaustedPercent) continue;
          on_exhausted(
              fmt::format("Out of memory: the process uses {} of the {} MiB that {} allows. Raise the limit, or "
                          "distribute the tasks "
                          "over more processes. The state on disk is whole; the next start resumes from it.",
                          used / kMib, limit.bytes / kMib, limit.file));
          return;
        }
      }) {}

void exit_when_out_of_memory() {
  std::set_new_handler(exit_out_of_memory);
  (void)std::signal(SIGABRT, on_abort);
}

}  // namespace fiverate
