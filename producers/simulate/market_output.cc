#include "producers/simulate/market_output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace fiverate {

Result<LineFile> LineFile::create(const std::filesystem::path& path) {
  LineFile file;
  file.name_ = path.string();
  TRY_VALUE(opened, create_output_file(path));
  file.file_ = std::move(opened);
  constexpr std::size_t kBufferBytes = 1 << 20;
  std::setvbuf(file.file_.get(), nullptr, _IOFBF, kBufferBytes);
  return file;
}

tl::unexpected<Error> LineFile::failed() const {
  return fail(Reaction::stop, "{}: {}", name_, std::strerror(errno));
}

Result<void> LineFile::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) return failed();
  return {};
}

Result<void> LineFile::flush() {
  if (std::fflush(file_.get()) != 0) return failed();
  return {};
}

Result<void> LineFile::close() {
  if (std::fclose(file_.release()) != 0) return failed();
  return {};
}

Result<std::unique_ptr<MarketFiles>> MarketFiles::create(const std::filesystem::path& folder) {
  auto reference = LineFile::create(folder / "reference.jsonl");
  TRY(reference);
  auto events = LineFile::create(folder / "events.jsonl");
  TRY(events);
  auto truth = LineFile::create(folder / kTruthFile);
  TRY(truth);
  return std::unique_ptr<MarketFiles>(new MarketFiles(std::move(*reference), std::move(*events), std::move(*truth)));
}

Result<void> MarketFiles::record(const Arriving& record) {
  auto& file = record.topic == Topic::reference ? reference_ : events_;
  TRY(file.write(record.line));
  return file.write("\n");
}

Result<void> MarketFiles::mark(Millis) {
  for (auto* const file : {&reference_, &events_, &truth_}) TRY(file->flush());
  return {};
}

Result<void> MarketFiles::finish() {
  for (auto* const file : {&reference_, &events_, &truth_}) TRY(file->close());
  return {};
}

Result<void> MarketTopics::record(const Arriving& record) {
  return writer_.record(record.topic, record.arrival, record.key, record.line);
}

Result<void> MarketTopics::truth(std::string_view lines) {
  return truth_ ? truth_->write(lines) : Result<void>{};
}

Result<void> MarketTopics::finish() {
  TRY(writer_.flush());
  return truth_ ? truth_->close() : Result<void>{};
}

}  // namespace fiverate
