// The name of each thread of a process in its consumer group (group.instance.id). A restarted process has the same name and gets its
// partitions back at once. Two running processes must never have the same name, since each would fence the other again and again.
//
//   host-<16 digits>-0-outlet-1       host, the state folder, number of the process (instance_slot.h); then stage and thread
//
// The digits are a hash of the system's boot id and the folder's device and inode. Host name, path and an id in the folder may be the same
// on two machines (cloned, or made from one image), but the boot id is never copied. It changes when the machine restarts, which takes
// longer than a session of the group lasts.
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

// `boot_id`: the file with the kernel's boot id. Error: stop: the folder cannot be read.
inline Result<std::string> process_name(const std::filesystem::path& state_folder, int number,
                                        const std::filesystem::path& boot_id = "/proc/sys/kernel/random/boot_id") {
  struct stat folder {};
  if (::stat(state_folder.c_str(), &folder) != 0) {
    return fail(Reaction::stop, "The state folder {} cannot be read: {}.", state_folder.string(), std::strerror(errno));
  }
  std::string boot;
  // Without a boot id a random one: the name has to be unique, even if it then changes with each restart.
  if (!(std::ifstream(boot_id) >> boot)) boot = std::to_string(std::random_device()());
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {"host"};
  const auto folder_id = chain_text(chained(0, boot, fmt::format("{}/{}", folder.st_dev, folder.st_ino)));
  return fmt::format("{}-{}-{}", host.data(), folder_id, number);
}

}  // namespace fiverate
