// A configuration: the file, and after NUL bytes overrides (section.key=value). It is read or rejected with a message, and the
// output of `config show` reads as the same configuration.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cli/config/config.h"
#include "schemas/check.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace fiverate;

class ScratchFile {
 public:
  ScratchFile()
      : path_(std::filesystem::temp_directory_path() / ("fiverate-fuzz-" + std::to_string(::getpid()) + ".toml")) {}
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() { std::filesystem::remove(path_); }
  const std::filesystem::path& holding(std::string_view text) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
    return path_;
  }

 private:
  std::filesystem::path path_;
};

bool holds_secret(const LoadedConfig& loaded) {
  for (const auto& value : loaded.values) {
    if (is_secret(value.key)) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ScratchFile file;
  auto bytes = fuzz::bytes_of(data, size);
  ConfigSources sources;
  sources.file = file.holding(bytes.substr(0, bytes.find('\0')));
  for (auto end = bytes.find('\0'); end != std::string_view::npos; end = bytes.find('\0')) {
    bytes.remove_prefix(end + 1);
    sources.overrides.emplace_back(bytes.substr(0, bytes.find('\0')));
  }
  try {
    const auto loaded = load_config(sources);
    const auto shown = show_config(loaded, true);
    if (holds_secret(loaded)) return 0;  // shown as "(redacted)"
    sources.overrides.clear();
    sources.file = file.holding(shown);
    const auto again = load_config(sources);
    CHECK(again.config.kafka.properties == loaded.config.kafka.properties);
    CHECK(show_config(again, false) == show_config(loaded, false));
  } catch (const ConfigError& error) {
    CHECK(!std::string_view(error.what()).empty());
  }
  return 0;
}
