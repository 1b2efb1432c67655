// Records and marks into the source topics, as every producer of ours writes them: what is valid goes as Protobuf, what
// is not as it came, so that intake quarantines it with its bytes; by key to a partition; with the arrival as
// timestamp.
//
// Records come in order of arrival, and a mark before those that arrive at its instant or later. The topics must let
// the producer set timestamps (intake.clock = marks).
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

  // `key`: the outlet id, or empty. `line`: an event in any encoding, or what should be one.
  Result<void> record(Topic topic, Millis arrival, const std::string& key, std::string_view line);
  // Into every partition of every source topic: nothing before this instant is still to come.
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
