#include "producers/source_writer.h"

#include "schemas/decode.h"
#include "schemas/mark.h"

namespace fiverate {

Result<void> SourceWriter::record(Topic topic, Millis arrival, const std::string& key, std::string_view line) {
  const auto valid = !decode(line, event_);
  const auto partition = key.empty() ? 0 : partition_of(key, partitions_.of(topic));
  ++summary_.records;
  return sink_.send({topic, partition, arrival, key, valid ? event_.SerializeAsString() : std::string(line),
                     std::nullopt, std::nullopt});
}

Result<void> SourceWriter::mark(Millis complete_through) {
  const auto value = mark_value(complete_through);
  for (const auto topic : kSourceTopics) {
    for (std::int32_t partition = 0; partition < partitions_.of(topic); ++partition) {
      TRY(sink_.send({topic, partition, complete_through, "", value, std::nullopt, std::nullopt}));
      ++summary_.marks;
    }
  }
  summary_.ends_with = complete_through;
  return {};
}

}  // namespace fiverate
