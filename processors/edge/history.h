// Files of events, in the canonical order of a file replay. Both `replay --in` and `import` read history through here, so that
// what goes through Kafka and what is replayed from files is the same sequence.
//
// Order: regions, then SKUs, then outlets first, each by (arrival, event_id, line); the rest by (arrival, event_id bytes, line
// bytes). What comes first because others refer to it arrives at one instant, the earliest arrival of the set. A line whose arrival cannot be read
// comes first of the rest and arrives with the earliest line of the set. Memory: the index, about 100 B a line; the files stay on
// disk (mapped).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/error.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

// A read-only file in memory.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);
  static MappedFile of_text(std::string name, std::string text);

  [[nodiscard]] const std::string& name() const { return name_; }  // without the folder
  [[nodiscard]] std::string_view text() const { return text_; }

 private:
  std::string name_;
  std::string_view text_;
  std::shared_ptr<const void> owner_;
};

struct HistoryRecord {
  Topic topic;          // where it belongs; what cannot be told goes with the deliveries
  Millis arrival;
  std::string_view line;
  std::string key;      // outlet id, or empty
  std::size_t file;     // position in files()
  std::int64_t number;  // of the line, from 1
};

class History {
 public:
  // Reads and sorts. `progress(bytes done, bytes in all)` is called now and then.
  static Result<History> read(std::vector<MappedFile> files, const MarketCalendar& calendar,
                              const std::function<void(std::size_t, std::size_t)>& progress = {});

  [[nodiscard]] std::size_t size() const { return order_.size(); }
  [[nodiscard]] HistoryRecord operator[](std::size_t position) const;
  [[nodiscard]] const std::vector<MappedFile>& files() const { return files_; }
  // Arrival of the first record of the rest (of all, if there is no rest); kNever if there are no records.
  [[nodiscard]] Millis begins() const { return begins_; }
  [[nodiscard]] Millis ends() const { return ends_; }  // the latest arrival
  // The latest day of a document that is neither late nor future by its own arrival; kNoDay: none.
  [[nodiscard]] Day last_day() const { return last_day_; }

 private:
  enum class Rank : std::uint8_t { region, sku, outlet, rest };
  struct Line {
    std::uint64_t offset;
    std::uint32_t length;
    std::uint32_t number;
    std::uint64_t event_id_offset;
    std::uint64_t key_offset;
    std::uint32_t event_id_length;
    std::uint32_t key_length;
    std::uint16_t file;
    Topic topic;
    Rank rank;
    bool arrival_known;
    Millis arrival;
  };
  [[nodiscard]] std::string_view line_of(const Line& line) const {
    return files_[line.file].text().substr(line.offset, line.length);
  }
  void take(std::size_t file, std::uint32_t number, std::uint64_t offset, std::string_view text,
            const MarketCalendar& calendar);
  void sort();

  std::vector<MappedFile> files_;
  std::vector<Line> order_;
  std::string ids_;  // event ids and keys, one behind the other
  Millis begins_ = kNever;
  Millis ends_ = kNever;
  Day last_day_ = kNoDay;
};

}  // namespace fiverate
