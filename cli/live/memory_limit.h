// The memory that this process may use, and what happens at the limit. The kernel kills a process at the limit of its cgroup
// (containers, systemd) without a message; `ulimit -v` makes allocations fail. Each gets a sentence and exit code 1.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace fiverate {

struct MemoryLimit {
  std::int64_t bytes = 0;
  std::string file;  // where the limit is set: /sys/fs/cgroup/fiverate.slice/memory.max
};

// The lowest limit of the process's cgroup and those above it, of version 1 or 2; nullopt: none. `root` is for tests.
std::optional<MemoryLimit> cgroup_memory_limit(const std::filesystem::path& root = "/");

// What a `run` process takes beside state.memory_mib: the program, its threads and librdkafka's buffers (docs/reliability.md).
inline constexpr std::int32_t kMemoryOverheadMib = 128;

// The message if memory_mib and the overhead do not fit into the limit: it names the setting that would.
std::optional<std::string> memory_problem(std::int32_t memory_mib, const std::optional<MemoryLimit>& limit);

// The address space that a `run` process reserves beside state.memory_mib, mostly for stacks of threads. With less, librdkafka
// cannot start its threads and waits for ever.
inline constexpr std::int32_t kAddressSpaceOverheadMib = 768;

// The message if this limit of the address space (`ulimit -v`) is too low.
std::optional<std::string> address_space_problem(std::int32_t memory_mib, std::uint64_t limit_bytes);
std::uint64_t address_space_limit();  // of this process; the greatest number if there is none

// Watches the memory of the process in a thread of its own. Calls `on_exhausted` with a message, once, when the process is about
// to reach the limit. Growth by more than the rest within a tenth of a second is not noticed in time.
class MemoryWatch {
 public:
  MemoryWatch(const MemoryLimit& limit, std::function<void(const std::string&)> on_exhausted);

 private:
  std::jthread thread_;
};

// From now on a failed allocation, in any thread and library, ends the process with a message and exit code 1.
void exit_when_out_of_memory();

}  // namespace fiverate
