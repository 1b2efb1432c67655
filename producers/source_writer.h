// Writes records and marks into the source topics, for all producers of fiverate. A valid event is written as Protobuf, any other
// line as it is, so that intake quarantines it with its bytes. The key determines the partition; the arrival is the timestamp.
//
// The caller writes records in order of arrival, and a mark before the records that arrive at its instant or later. A caller that
// repeats an import hands over all of it again: what a partition holds already (import_start.h) is counted and not written. The
// topics must have message.timestamp.type = CreateTime.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event.pb.h"
#include "processors/stream/ports.h"
#include "producers/import_start.h"
#include "schemas/topics.h"

namespace fiverate {

struct SourceSummary {
  std::int64_t records = 0;   // written
  std::int64_t marks = 0;     // written
  std::int64_t skipped = 0;   // records that the topics hold already
  Millis ends_with = kNever;  // the last mark, written or skipped
};

class SourceWriter {
 public:
  SourceWriter(Sink& sink, const PartitionCounts& partitions, ImportStart start);

  // `key` is the outlet id or empty. `line` is an event in any encoding, or a faulty one.
  Result<void> record(Topic topic, Millis arrival, const std::string& key, std::string_view line);
  // Writes into every partition of every source topic: no record with an earlier arrival follows.
  Result<void> mark(Millis complete_through);
  // Ends the import with a last mark in each partition: `closes`, which makes all days final, or the mark before it again. After the
  // latter the import can be repeated, to continue or to close it.
  Result<void> end(std::optional<Millis> closes);
  Result<void> flush() { return sink_.flush(); }

  [[nodiscard]] const SourceSummary& summary() const { return summary_; }
  // How many records and marks were written to each partition.
  [[nodiscard]] const std::map<Input, std::int64_t>& sent() const { return sent_; }

 private:
  struct Partition {
    std::int64_t number = 0;  // of the last record that was handed over
    ImportPosition written;   // the last one of an earlier run
    std::int64_t* sent = nullptr;
  };
  std::vector<Partition>& partitions_of(Topic topic) { return partitions_[static_cast<std::size_t>(topic)]; }
  // The position, to be written; nothing if an earlier run has written it.
  std::optional<ImportPosition> position_of(Partition& partition, std::int64_t number, bool is_end) const;
  // Writes a mark into each partition, with the number behind its last record, or with that of its last record.
  Result<void> mark_all(Millis complete_through, std::int64_t behind, bool is_end);

  Sink& sink_;
  ImportId import_;
  std::map<Input, std::int64_t> sent_;
  std::array<std::vector<Partition>, kTopicCount> partitions_;  // by topic
  Event event_;
  SourceSummary summary_;
};

}  // namespace fiverate
