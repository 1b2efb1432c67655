#include "producers/source_writer.h"

#include "schemas/decode.h"
#include "schemas/mark.h"

namespace fiverate {

SourceWriter::SourceWriter(Sink& sink, const PartitionCounts& partitions, ImportStart start)
    : sink_(sink), import_(start.import) {
  for (const auto topic : kSourceTopics) {
    auto& all = partitions_of(topic);
    all.resize(static_cast<std::size_t>(partitions.of(topic)));
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Input input{topic, static_cast<std::int32_t>(i)};
      all[i].sent = &sent_[input];
      if (const auto found = start.written.find(input); found != start.written.end()) all[i].written = found->second;
    }
  }
}

std::optional<ImportPosition> SourceWriter::position_of(Partition& partition, std::int64_t number, bool is_end) const {
  const ImportPosition position{import_, number, is_end};
  partition.number = number;
  if (position <= partition.written) return std::nullopt;
  ++*partition.sent;
  return position;
}

Result<void> SourceWriter::record(Topic topic, Millis arrival, const std::string& key, std::string_view line) {
  auto& all = partitions_of(topic);
  const auto partition = key.empty() ? 0 : partition_of(key, static_cast<std::int32_t>(all.size()));
  auto& target = all[static_cast<std::size_t>(partition)];
  const auto position = position_of(target, target.number + 1, false);
  if (!position) {
    ++summary_.skipped;
    return {};
  }
  ++summary_.records;
  const auto valid = !decode(line, event_);
  OutRecord record{topic, partition, arrival, key, valid ? event_.SerializeAsString() : std::string(line), {}, {}};
  record.import = position;
  return sink_.send(std::move(record));
}

Result<void> SourceWriter::mark(Millis complete_through) {
  return mark_all(complete_through, 1, false);
}

Result<void> SourceWriter::end(std::optional<Millis> closes) {
  return closes ? mark_all(*closes, 1, true) : mark_all(summary_.ends_with, 0, true);
}

Result<void> SourceWriter::mark_all(Millis complete_through, std::int64_t behind, bool is_end) {
  const auto value = mark_value(complete_through);
  for (const auto topic : kSourceTopics) {
    auto& all = partitions_of(topic);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto position = position_of(all[i], all[i].number + behind, is_end);
      if (!position) continue;
      OutRecord record{topic, static_cast<std::int32_t>(i), complete_through, "", value, {}, {}};
      record.import = position;
      TRY(sink_.send(std::move(record)));
      ++summary_.marks;
    }
  }
  summary_.ends_with = complete_through;
  return {};
}

}  // namespace fiverate
