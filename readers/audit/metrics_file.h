// The file metrics.jsonl with the FINAL rows of a replay, in the canonical order in which the market stage emits them. A history
// ends with its last accepted document, which is known only at the end of the replay: finish() removes the rows of later days.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "metrics.pb.h"
#include "processors/edge/output_files.h"
#include "processors/stream/ports.h"
#include "schemas/format.h"

namespace fiverate {

class MetricsFile final : public Sink {
 public:
  static Result<std::unique_ptr<MetricsFile>> create(const std::filesystem::path& path);

  Result<void> send(OutRecord record) override;
  Result<void> flush() override { return {}; }

  // Writes the buffer, removes the rows of days after `last` and returns the number of lines that remain.
  Result<std::int64_t> finish(Day last);

 private:
  struct DayStart {
    Day day;
    std::int64_t bytes;
    std::int64_t lines;
  };
  MetricsFile(OutputFile file, std::filesystem::path path) : file_(std::move(file)), path_(std::move(path)) {}
  Result<void> write_out();

  OutputFile file_;
  std::filesystem::path path_;
  MetricsRow row_;  // used again for each record, so that parsing allocates nothing
  fmt::memory_buffer buffer_;
  std::int64_t bytes_ = 0;
  std::int64_t lines_ = 0;
  std::vector<DayStart> days_;
};

}  // namespace fiverate
