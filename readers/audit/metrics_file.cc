#include "readers/audit/metrics_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "processors/trade/rows/row_fields.h"
#include "readers/query/row_json.h"
#include "schemas/check.h"

namespace fiverate {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

}  // namespace

Result<std::unique_ptr<MetricsFile>> MetricsFile::create(const std::filesystem::path& path) {
  TRY_VALUE(file, create_output_file(path));
  return std::unique_ptr<MetricsFile>(new MetricsFile(std::move(file), path));
}

Result<void> MetricsFile::send(OutRecord record) {
  if (record.topic != Topic::metrics_final) return {};
  CHECK(row_.ParseFromString(record.value), record.key);
  const auto day = day_of(row_);
  if (days_.empty() || days_.back().day != day) {
    CHECK(days_.empty() || days_.back().day < day, format_date(day));
    days_.push_back({day, bytes_ + static_cast<std::int64_t>(buffer_.size()), lines_});
  }
  lines_ += static_cast<std::int64_t>(append_json_lines(row_, buffer_));
  return buffer_.size() < kBufferBytes ? Result<void>{} : write_out();
}

Result<void> MetricsFile::write_out() {
  if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_.get()) != buffer_.size()) {
    return fail(Reaction::stop, "Cannot write {}: {}", path_.string(), std::strerror(errno));
  }
  bytes_ += static_cast<std::int64_t>(buffer_.size());
  buffer_.clear();
  return {};
}

Result<std::int64_t> MetricsFile::finish(Day last) {
  TRY(write_out());
  const auto behind =
      std::upper_bound(days_.begin(), days_.end(), last, [](Day a, const DayStart& b) { return a < b.day; });
  if (behind != days_.end()) {
    lines_ = behind->lines;
    bytes_ = behind->bytes;
  }
  if (std::fflush(file_.get()) != 0 || ::ftruncate(::fileno(file_.get()), bytes_) != 0) {
    return fail(Reaction::stop, "Cannot write {}: {}", path_.string(), std::strerror(errno));
  }
  return lines_;
}

}  // namespace fiverate
