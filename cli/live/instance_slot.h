// The number of this process among the processes that share a state folder; no other process has it while this one runs. The names of the
// group's members contain it (member_name.h), so a restarted process has the same names and gets its partitions back at once.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "processors/stream/error.h"

namespace fiverate {

class InstanceSlot {
 public:
  // Locks the lowest free number of the folder.
  static Result<InstanceSlot> acquire(const std::filesystem::path& folder) {
    constexpr int kSlotsMax = 1024;
    for (int number = 0; number < kSlotsMax; ++number) {
      const auto path = folder / fmt::format("instance-{}.lock", number);
      const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
      if (descriptor < 0)
        return fail(Reaction::stop, "Cannot write to the state folder: {}: {}", path.string(), std::strerror(errno));
      if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return InstanceSlot(descriptor, number);
      ::close(descriptor);
    }
    return fail(Reaction::stop, "More than {} processes share the state folder {}.", kSlotsMax, folder.string());
  }
  // Locks the whole folder: alone, for a process with standby tasks (it keeps states open that others there would open), or shared.
  static Result<InstanceSlot> enter(const std::filesystem::path& folder, bool alone) {
    const auto path = folder / "folder.lock";
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0)
      return fail(Reaction::stop, "Cannot write to the state folder: {}: {}", path.string(), std::strerror(errno));
    if (::flock(descriptor, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return InstanceSlot(descriptor, 0);
    ::close(descriptor);
    return fail(Reaction::stop,
                "Another process works in the state folder {}{}. A process with --standby needs a folder of its own: "
                "set state.dir.",
                folder.string(), alone ? "" : " and has it to itself");
  }
  InstanceSlot(InstanceSlot&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), number_(other.number_) {}
  InstanceSlot& operator=(InstanceSlot&&) = delete;
  ~InstanceSlot() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  InstanceSlot(int descriptor, int number) : descriptor_(descriptor), number_(number) {}
  int descriptor_;
  int number_;
};

}  // namespace fiverate
