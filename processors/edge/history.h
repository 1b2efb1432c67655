// Reads files of events (JSON lines) and gives their lines in the canonical order of a file replay, which
// trade/facts/history_order.h defines. `replay --in` and `import` both read through it.
//
// Memory: an index of about 100 bytes a line and the ids; the files are mapped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <memory_resource>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/error.h"
#include "processors/trade/facts/history_order.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

// A file mapped into memory for reading, or a text in its place. Copies share the memory.
class MappedFile {
 public:
  // Errors (stop): the file cannot be read, or is not a regular file.
  static Result<MappedFile> open(const std::filesystem::path& path);
  // `origin` returns where the text of a line number comes from, for messages.
  using Origin = std::function<std::string(std::int64_t number)>;
  static MappedFile of_text(std::string name, std::string text, Origin origin = {});

  [[nodiscard]] const std::string& name() const { return name_; }  // without the folder
  [[nodiscard]] std::string_view text() const { return text_; }
  // "events.jsonl:5", or the origin that of_text() was given.
  [[nodiscard]] std::string origin_of(std::int64_t number) const;

 private:
  std::string name_;
  std::string_view text_;
  std::shared_ptr<const void> owner_;
  Origin origin_;
};

struct HistoryRecord {
  Topic topic;
  Millis arrival;  // replay_arrival() of the line
  // False: no readable arrival, or a region, SKU or outlet, which arrives with the earliest record.
  bool has_own_arrival;
  std::string_view line;
  std::string key;  // the outlet id, or empty
  std::string_view event_id;
  std::size_t file;     // position in files()
  std::int64_t number;  // of the line in its file, from 1
};

// The contents of one file.
struct FileSummary {
  std::int64_t documents = 0;     // valid orders, deliveries and visits
  std::int64_t untimely = 0;      // of these, those that are late or in the future by their own arrival
  std::int64_t others = 0;        // valid events of other kinds
  std::int64_t invalid = 0;       // lines that intake rejects by themselves
  Millis first_arrival = kNever;  // of the records with an arrival of their own
  Millis last_arrival = kNever;
  Day first_day = kNoDay;  // of the documents, by event time
  Day last_day = kNoDay;
};

struct InvalidLine {
  std::size_t file;
  std::int64_t number;
  Rejected rejected;
};

class History {
 public:
  static constexpr std::size_t kInvalidMax = 10;

  // Reads and sorts all lines. Calls `progress(bytes read, bytes in all)` every 4 MiB. Error (stop): too many files.
  static Result<History> read(std::vector<MappedFile> files, const MarketCalendar& calendar,
                              const std::function<void(std::size_t, std::size_t)>& progress = {});

  [[nodiscard]] std::size_t size() const { return order_.size(); }
  [[nodiscard]] HistoryRecord operator[](std::size_t position) const;
  [[nodiscard]] const std::vector<MappedFile>& files() const { return files_; }
  [[nodiscard]] const std::vector<FileSummary>& summaries() const { return summaries_; }  // one for each file
  [[nodiscard]] const std::vector<InvalidLine>& invalid() const { return invalid_; }      // the first kInvalidMax
  // The arrival of the first record that is no region, SKU or outlet; that of all records if there is no other; kNever
  // without any.
  [[nodiscard]] Millis begins() const { return begins_; }
  [[nodiscard]] Millis ends() const { return ends_; }  // the latest arrival; kNever without any record
  // A hash of all lines in canonical order.
  [[nodiscard]] std::uint64_t hash() const;
  // The latest HistoryLine::day; kNoDay if there is none.
  [[nodiscard]] Day last_day() const { return last_day_; }

 private:
  struct Line {
    HistoryPosition position;  // its event_id is in texts_
    std::string_view key;      // in texts_
    std::uint32_t number;
    std::uint16_t file;
    Topic topic;
  };
  void summarize(std::size_t file, const Event& event, const std::optional<Rejected>& rejected, const HistoryLine& line,
                 const MarketCalendar& calendar);
  void add_line(std::size_t file, std::uint32_t number, std::string_view text, const MarketCalendar& calendar);
  void sort();

  std::vector<MappedFile> files_;
  std::vector<FileSummary> summaries_;
  std::vector<InvalidLine> invalid_;
  std::vector<Line> order_;
  std::unique_ptr<std::pmr::monotonic_buffer_resource> texts_ = std::make_unique<std::pmr::monotonic_buffer_resource>();
  Millis earliest_ = 0;  // the earliest readable arrival
  Millis begins_ = kNever;
  Millis ends_ = kNever;
  Day last_day_ = kNoDay;
};

}  // namespace fiverate
