// Decides which records of the result topics count, for every command that reads them.
//
//   its cause names a task that writes to this partition   it counts
//   anything else                                          somebody else wrote it: it is ignored, counted and shown
//   its value has another form; another row of a key that never has two   the same; the query that reads the values calls ignore()
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ledger.pb.h"
#include "processors/stages/senders.h"
#include "processors/stream/ports.h"

namespace fiverate {

class ResultRecords {
 public:
  explicit ResultRecords(const Definition& definition) : senders_(definition) {}

  // Reads on, without the records that do not count.
  [[nodiscard]] Result<void> poll(Source& source, std::chrono::milliseconds wait, std::vector<InRecord>& records);
  // A record whose cause is right does not count either, because of its value.
  void ignore(const InRecord& record, std::string_view reason);

  [[nodiscard]] std::int64_t ignored() const { return ignored_; }
  // "3 records of metrics-final were not written by a processor and are ignored: metrics-final/0/1234 (no cause), ...", by topic.
  [[nodiscard]] std::vector<std::string> sentences() const;

 private:
  static constexpr std::size_t kShownMax = 3;  // of each topic
  struct Ignored {
    std::int64_t count = 0;
    std::vector<std::string> first;  // "metrics-final/0/1234 (no cause)"
  };

  Senders senders_;
  std::map<Topic, Ignored> by_topic_;
  std::int64_t ignored_ = 0;
};

// Reads a source to its end and visits the records that count.
template <typename Visit>
[[nodiscard]] Result<void> read_to_end(Source& source, ResultRecords& results, Visit&& visit) {
  std::vector<InRecord> records;
  while (!source.finished()) {
    records.clear();
    TRY(results.poll(source, std::chrono::milliseconds(100), records));
    for (const auto& record : records) visit(record);
  }
  return {};
}

}  // namespace fiverate
