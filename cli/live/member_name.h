// How the threads of a process are called in the consumer groups (group.instance.id). A restart comes under the same name and has its
// partitions back at once; two that are alive at a time must never have one name, or they take each other's place for ever.
//
//   host-<16 digits>-0-outlet-1       host, the state folder, number of the process (instance_slot.h); then stage and thread
//
// The digits stand for the folder on the running system: the system's boot, and the folder's device and inode. A host name, a path, even an
// id kept in the folder may be the same on two machines (cloned, or begun from one image); of this none is copied with anything. It
// changes when the machine starts again, which takes longer than a name is kept for.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "processors/stream/error.h"
#include "schemas/cause.h"

namespace fiverate {

// `boot_id`: the file in which the kernel tells its boot. Error: stop: the folder cannot be read.
inline Result<std::string> process_name(const std::filesystem::path& state_folder, int number,
                                        const std::filesystem::path& boot_id = "/proc/sys/kernel/random/boot_id") {
  struct stat folder {};
  if (::stat(state_folder.c_str(), &folder) != 0) {
    return fail(Reaction::stop, "The state folder {} cannot be read: {}.", state_folder.string(), std::strerror(errno));
  }
  std::string boot;
  if (!(std::ifstream(boot_id) >> boot)) boot = std::to_string(std::random_device()());  // unique beats known again
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {"host"};
  const auto place = chain_text(chained(0, boot, fmt::format("{}/{}", folder.st_dev, folder.st_ino)));
  return fmt::format("{}-{}-{}", host.data(), place, number);
}

}  // namespace fiverate
