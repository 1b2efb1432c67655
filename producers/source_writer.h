// Writes records and marks into the source topics, for all producers of fiverate. A valid event is written as Protobuf, any other
// line as it is, so that intake quarantines it with its bytes. The key determines the partition; the arrival is the timestamp.
//
// The caller writes records in order of arrival, and a mark before the records that arrive at its instant or later. The topics
// must have message.timestamp.type = CreateTime.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "event.pb.h"
#include "processors/stream/ports.h"
#include "schemas/topics.h"

namespace fiverate {

struct SourceSummary {
  std::int64_t records = 0;
  std::int64_t marks = 0;
  Millis ends_with = kNever;  // the last mark
};

class SourceWriter {
 public:
  SourceWriter(Sink& sink, const PartitionCounts& partitions) : sink_(sink), partitions_(partitions) {}

  // `key` is the outlet id or empty. `line` is an event in any encoding, or a faulty one.
  Result<void> record(Topic topic, Millis arrival, const std::string& key, std::string_view line);
  // Writes into every partition of every source topic: no record with an earlier arrival follows.
  Result<void> mark(Millis complete_through);
  Result<void> flush() { return sink_.flush(); }

  [[nodiscard]] const SourceSummary& summary() const { return summary_; }

 private:
  Sink& sink_;
  PartitionCounts partitions_;
  Event event_;
  SourceSummary summary_;
};

}  // namespace fiverate
