#include "producers/import_start.h"

#include <algorithm>
#include <limits>

namespace fiverate {
namespace {

using Inputs = SourceRecords::Inputs;

// Other programs write without the header, such as actions of people: so many of them may follow an import.
constexpr std::int64_t kLastRecords = 10'000;

// Calls `read(visit)` and adds the records and end offsets that it finds.
template <typename Read>
Result<void> add_records(PartitionEnds& ends, ImportId import, Read read) {
  TRY_VALUE(end_offsets, read([&](const InRecord& record) { add_record(ends[record.input], record, import); }));
  for (const auto& [input, end] : end_offsets) ends[input].end_offset = std::max(ends[input].end_offset, end);
  return {};
}

template <typename Condition>
Inputs inputs_where(const PartitionEnds& ends, Condition condition) {
  Inputs inputs;
  for (const auto& [input, end] : ends) {
    if (condition(end)) inputs.push_back(input);
  }
  return inputs;
}

Result<void> add_last(PartitionEnds& ends, SourceRecords& topics, const Inputs& inputs, std::int64_t count,
                      ImportId import) {
  if (inputs.empty()) return {};
  return add_records(ends, import,
                     [&](const SourceRecords::Visit& visit) { return topics.read_last(inputs, count, visit); });
}

Result<void> add_since(PartitionEnds& ends, SourceRecords& topics, const Inputs& inputs, const ImportRequest& request) {
  if (inputs.empty()) return {};
  return add_records(ends, request.import, [&](const SourceRecords::Visit& visit) {
    return topics.read_since(inputs, request.first_mark, visit);
  });
}

// Whether the import ended before another one. Each import writes its marks to `commands`, which is small.
Result<bool> is_followed(SourceRecords& topics, const ImportRequest& request) {
  PartitionEnds ends;
  TRY(add_since(ends, topics, {{Topic::commands, 0}}, request));
  return state_of_import(ends) == ImportState::followed;
}

}  // namespace

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

Result<PartitionEnds> last_records(SourceRecords& topics, const Inputs& inputs, ImportId import) {
  PartitionEnds ends;
  TRY(add_last(ends, topics, inputs, 1, import));
  return ends;
}

Result<PartitionEnds> last_records_of_imports(SourceRecords& topics, const Inputs& inputs, ImportId import) {
  TRY_VALUE(ends, last_records(topics, inputs, import));
  const auto without_header = [](const PartitionEnd& end) { return end.latest != kNever && !end.own && !end.other; };
  TRY(add_last(ends, topics, inputs_where(ends, without_header), kLastRecords, import));
  return ends;
}

Result<FoundImport> find_import(SourceRecords& topics, const Inputs& inputs, const ImportRequest& request) {
  FoundImport found;
  TRY_VALUE(ends, last_records_of_imports(topics, inputs, request.import));
  const bool is_begun = std::ranges::any_of(ends, [](const auto& each) { return each.second.own.has_value(); });
  if (is_begun || clock_of(ends) <= request.begins) {
    const auto without_own = [](const PartitionEnd& end) { return end.latest != kNever && !end.own; };
    TRY(add_since(ends, topics, inputs_where(ends, without_own), request));
  }
  found.state = state_of_import(ends);
  if (found.state == ImportState::absent && clock_of(ends) > request.begins) {
    TRY_VALUE(followed, is_followed(topics, request));
    if (followed) found.state = ImportState::followed;
  }
  found.ends = std::move(ends);
  return found;
}

ImportStart start_of_import(ImportId import, const PartitionEnds& ends) {
  ImportStart start{import, {}};
  for (const auto& [input, end] : ends) {
    if (end.own) start.written[input] = *end.own;
  }
  return start;
}

}  // namespace fiverate
