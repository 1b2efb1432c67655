// Where an import or a simulation begins in each source partition. Its records in a partition are a function of its content, and each
// has its number in a header (schemas/import_position.h), so the log itself shows what was written, whatever ended the import before:
//
//   nothing of it                     it starts at the first record, unless another import has not ended
//   its records up to a number        it continues behind that number
//   all of it                         nothing remains to be written
//
// The producer is idempotent and keeps the order of a partition. Therefore a partition never holds a record without all before it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "processors/stream/ports.h"
#include "schemas/import_position.h"

namespace fiverate {

// What a source partition holds.
struct PartitionEnd {
  std::int64_t end_offset = 0;
  Millis latest = kNever;  // the timestamp of the last record; kNever: no record
  // The last record of this import, and the last record of any other.
  std::optional<ImportPosition> own;
  std::optional<ImportPosition> other;
  std::int64_t own_offset = -1;
  std::int64_t other_offset = -1;
};
using PartitionEnds = std::map<Input, PartitionEnd>;

// Takes note of a record of the partition, in any order.
void add_record(PartitionEnd& end, const InRecord& record, ImportId import);

// The lowest timestamp of the partitions' last records; kNever while a partition is empty.
Millis clock_of(const PartitionEnds& ends);

enum class ImportState : std::uint8_t {
  absent,            // nothing was written
  begun,             // some or all of it was written, and nothing of another import since
  followed,          // it has ended, and another import was written since
  other_follows,     // it has not ended, and another import was written since: it cannot be completed any more
  other_incomplete,  // nothing was written, and another import has not ended
};

// `ends` has all source partitions. Every import writes at least a mark into each of them, so an import that is the last one of some
// partitions only has not ended.
ImportState state_of_import(const PartitionEnds& ends);

// Reads the records of source partitions. Implemented for Kafka, and for the log of the simulation.
class SourceRecords {
 public:
  using Inputs = std::vector<Input>;
  using EndOffsets = std::map<Input, std::int64_t>;
  using Visit = std::function<void(const InRecord& record)>;

  virtual ~SourceRecords() = default;
  // Visits the last `count` records of each partition. Returns the end offset of each partition.
  virtual Result<EndOffsets> read_last(const Inputs& inputs, std::int64_t count, const Visit& visit) = 0;
  // The same for the first record of each partition that is not earlier than `time`, and all behind it.
  virtual Result<EndOffsets> read_since(const Inputs& inputs, Millis time, const Visit& visit) = 0;
};

// An import or a simulation that is to be written.
struct ImportRequest {
  ImportId import = 0;
  Millis first_mark = 0;  // no record has an earlier timestamp
  Millis begins = 0;      // the earliest arrival of an event
};
struct FoundImport {
  PartitionEnds ends;
  ImportState state = ImportState::absent;
};
// Finds out what was written of it. Where the market's clock is beyond its begin, an import is found if it is the last one of some
// partition, or if it ended before another one.
Result<FoundImport> find_import(SourceRecords& topics, const SourceRecords::Inputs& inputs,
                                const ImportRequest& request);
// The last record of each partition.
Result<PartitionEnds> last_records(SourceRecords& topics, const SourceRecords::Inputs& inputs, ImportId import);
// The same, and the last record of an import in each partition, though records of other programs follow it.
Result<PartitionEnds> last_records_of_imports(SourceRecords& topics, const SourceRecords::Inputs& inputs,
                                              ImportId import);

// An import, and its last record in each partition that has one.
struct ImportStart {
  ImportId import = 0;
  std::map<Input, ImportPosition> written;
};
ImportStart start_of_import(ImportId import, const PartitionEnds& ends);

}  // namespace fiverate
