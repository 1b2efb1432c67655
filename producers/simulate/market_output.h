// The two outputs of a simulation: files, and the source topics. The truth is written to a file only, because the processors of
// the events must not see it.
#pragma once

#include <filesystem>
#include <memory>

#include "processors/edge/output_files.h"
#include "producers/simulate/simulate.h"
#include "producers/source_writer.h"

namespace fiverate {

// A new file, written in order. Errors name the file.
class LineFile {
 public:
  static Result<LineFile> create(const std::filesystem::path& path);
  Result<void> write(std::string_view bytes);
  Result<void> flush();
  Result<void> close();

 private:
  [[nodiscard]] tl::unexpected<Error> failed() const;
  std::string name_;
  OutputFile file_;
};

inline constexpr std::string_view kTruthFile = "truth.jsonl";

// reference.jsonl, events.jsonl and truth.jsonl in a folder. They are flushed at each mark, so that they can be read meanwhile.
class MarketFiles final : public MarketOutput {
 public:
  // The folder exists; files of these names are replaced.
  static Result<std::unique_ptr<MarketFiles>> create(const std::filesystem::path& folder);

  Result<void> record(const Arriving& record) override;
  Result<void> truth(std::string_view lines) override { return truth_.write(lines); }
  Result<void> mark(Millis complete_through) override;
  Result<void> finish() override;

 private:
  MarketFiles(LineFile reference, LineFile events, LineFile truth)
      : reference_(std::move(reference)), events_(std::move(events)), truth_(std::move(truth)) {}
  LineFile reference_;
  LineFile events_;
  LineFile truth_;
};

// The source topics, and a file for the truth if there is one.
class MarketTopics final : public MarketOutput {
 public:
  MarketTopics(SourceWriter& writer, std::optional<LineFile> truth) : writer_(writer), truth_(std::move(truth)) {}

  Result<void> record(const Arriving& record) override;
  Result<void> truth(std::string_view lines) override;
  Result<void> mark(Millis complete_through) override { return writer_.mark(complete_through); }
  Result<void> end(std::optional<Millis> closes) override { return writer_.end(closes); }
  Result<void> finish() override;

 private:
  SourceWriter& writer_;
  std::optional<LineFile> truth_;
};

}  // namespace fiverate
