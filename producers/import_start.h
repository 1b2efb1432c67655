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
#include <map>
#include <optional>

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

// An import, and its last record in each partition that has one.
struct ImportStart {
  ImportId import = 0;
  std::map<Input, ImportPosition> written;
};
ImportStart start_of_import(ImportId import, const PartitionEnds& ends);

}  // namespace fiverate
