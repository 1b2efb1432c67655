#include "producers/import_start.h"

#include <algorithm>
#include <limits>

namespace fiverate {

void add_record(PartitionEnd& end, const InRecord& record, ImportId import) {
  if (record.offset + 1 >= end.end_offset) {
    end.end_offset = record.offset + 1;
    end.latest = record.timestamp;
  }
  if (!record.import) return;
  auto& position = record.import->import == import ? end.own : end.other;
  auto& offset = record.import->import == import ? end.own_offset : end.other_offset;
  if (record.offset < offset) return;
  position = record.import;
  offset = record.offset;
}

Millis clock_of(const PartitionEnds& ends) {
  auto lowest = std::numeric_limits<Millis>::max();
  for (const auto& [input, end] : ends) lowest = std::min(lowest, end.latest);
  return ends.empty() ? kNever : lowest;
}

ImportState state_of_import(const PartitionEnds& ends) {
  bool begun = false;
  bool complete = true;
  bool followed = false;
  bool is_empty = false;  // some partition
  bool other_complete = true;
  std::optional<ImportId> other;
  for (const auto& [input, end] : ends) {
    begun |= end.own.has_value();
    complete &= end.own && end.own->is_end;
    followed |= end.own && end.other_offset > end.own_offset;
    is_empty |= end.latest == kNever;
    if (!end.other) continue;
    other_complete &= end.other->is_end && other.value_or(end.other->import) == end.other->import;
    other = end.other->import;
  }
  if (begun) {
    if (!followed) return ImportState::begun;
    return complete ? ImportState::followed : ImportState::other_follows;
  }
  const bool is_other_incomplete = other && (!other_complete || is_empty);
  return is_other_incomplete ? ImportState::other_incomplete : ImportState::absent;
}

ImportStart start_of_import(ImportId import, const PartitionEnds& ends) {
  ImportStart start{import, {}};
  for (const auto& [input, end] : ends) {
    if (end.own) start.written[input] = *end.own;
  }
  return start;
}

}  // namespace fiverate
