// Files that a command writes for people (--out DIR, --truth FILE). Earlier results are evidence, so they are replaced only on
// request, and a symbolic link is never followed:
//
//   TRY(check_output_folder(folder, force));                    // refuses one that is not empty
//   TRY(create_output_folder(folder));
//   TRY_VALUE(file, create_output_file(folder / "x.jsonl"));    // a new file, in the place of an earlier one
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>

#include "processors/stream/error.h"

namespace fiverate {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using OutputFile = std::unique_ptr<std::FILE, CloseFile>;

// Refuses a folder that contains anything, unless `force`: then files of the same names are replaced and all others stay.
// Error: stop.
[[nodiscard]] Result<void> check_output_folder(const std::filesystem::path& folder, bool force);
// Creates the folder with its parents, if there is none. Error: stop.
[[nodiscard]] Result<void> create_output_folder(const std::filesystem::path& folder);

// Refuses a file that exists, unless `force`. Error: stop.
[[nodiscard]] Result<void> check_output_file(const std::filesystem::path& path, bool force);

// Creates a new file for writing. A regular file or a symbolic link with this name is removed first; the target of the link and
// other names of the file keep their content. Error (stop): the name is that of a folder, device or pipe, or the system refuses.
[[nodiscard]] Result<OutputFile> create_output_file(const std::filesystem::path& path);

// Writes a whole file through create_output_file().
[[nodiscard]] Result<void> write_output_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace fiverate
