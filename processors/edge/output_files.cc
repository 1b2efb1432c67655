#include "processors/edge/output_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

namespace fiverate {
namespace {

tl::unexpected<Error> cannot_write(const std::filesystem::path& path, std::string_view why) {
  return fail(Reaction::stop, "Cannot write {}: {}.", path.string(), why);
}

// "events.jsonl, truth.jsonl and 3 more"
std::string names_in(const std::filesystem::path& folder, std::error_code& error) {
  constexpr std::size_t kNamed = 3;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  std::string text;
  for (std::size_t i = 0; i < std::min(kNamed, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamed) text += fmt::format(" and {} more", names.size() - kNamed);
  return text;
}

}  // namespace

Result<void> check_output_folder(const std::filesystem::path& folder, bool force) {
  std::error_code error;
  if (force || !std::filesystem::is_directory(folder, error)) return {};
  const auto names = names_in(folder, error);
  if (error) return fail(Reaction::stop, "Cannot read the folder {}: {}.", folder.string(), error.message());
  if (names.empty()) return {};
  return fail(Reaction::stop,
              "Folder {} is not empty: it contains {}. Use a new folder, or --force to replace the files of this "
              "command.",
              folder.string(), names);
}

Result<void> create_output_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error && !std::filesystem::is_directory(folder)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) return fail(Reaction::stop, "Cannot create the folder {}: {}.", folder.string(), error.message());
  return {};
}

Result<void> check_output_file(const std::filesystem::path& path, bool force) {
  std::error_code error;
  if (force || std::filesystem::symlink_status(path, error).type() == std::filesystem::file_type::not_found) return {};
  return fail(Reaction::stop, "File {} exists. Use another name, or --force to replace it.", path.string());
}

Result<OutputFile> create_output_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto type = std::filesystem::symlink_status(path, error).type();
  if (type == std::filesystem::file_type::regular || type == std::filesystem::file_type::symlink) {
    if (::unlink(path.c_str()) != 0) return cannot_write(path, std::strerror(errno));
  } else if (type != std::filesystem::file_type::not_found && type != std::filesystem::file_type::none) {
    return cannot_write(path,
                        type == std::filesystem::file_type::directory ? "it is a folder" : "it is no regular file");
  }
  constexpr mode_t kReadableByAll = 0666;  // as far as the umask allows
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kReadableByAll);
  if (descriptor < 0) return cannot_write(path, std::strerror(errno));
  OutputFile file(::fdopen(descriptor, "wb"));
  if (file) return file;
  const auto why = std::string(std::strerror(errno));
  ::close(descriptor);
  return cannot_write(path, why);
}

Result<void> write_output_file(const std::filesystem::path& path, std::string_view bytes) {
  TRY_VALUE(file, create_output_file(path));
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
  if (std::fclose(file.release()) != 0 || !written) return cannot_write(path, std::strerror(errno));
  return {};
}

}  // namespace fiverate
