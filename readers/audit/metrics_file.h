// metrics.jsonl: the FINAL rows of a replay, in canonical order, as the market stage of the replay emits them. Which day is the
// last is known only at the end (a history ends with its last accepted document), so rows behind it are cut off then.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "processors/stream/ports.h"
#include "schemas/format.h"

namespace fiverate {

class MetricsFile final : public Sink {
 public:
  static Result<std::unique_ptr<MetricsFile>> create(const std::filesystem::path& path);

  Result<void> send(OutRecord record) override;
  Result<void> flush() override { return {}; }

  // Removes the rows of days after `last`, writes what is left, closes. Returns the number of lines.
  Result<std::int64_t> finish(Day last);

 private:
  struct DayStart {
    Day day;
    std::int64_t bytes;
    std::int64_t lines;
  };
  MetricsFile(std::FILE* file, std::filesystem::path path) : file_(file, &std::fclose), path_(std::move(path)) {}
  Result<void> write_out();

  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  std::filesystem::path path_;
  fmt::memory_buffer buffer_;
  std::int64_t bytes_ = 0;
  std::int64_t lines_ = 0;
  std::vector<DayStart> days_;
};

}  // namespace fiverate
