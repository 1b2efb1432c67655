#include "processors/edge/kafka_groups.h"

#include "processors/edge/kafka_fetcher.h"

namespace fiverate {

Result<std::map<Input, GroupPosition>> group_positions(const KafkaSettings& settings, const std::string& group,
                                                       const std::vector<Input>& inputs) {
  constexpr int kWithinMs = 10'000;
  auto client = KafkaClient::open(settings, consumer_role(group, settings.fetch_kib));
  if (!client) return tl::make_unexpected(client.error());
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(inputs.size())));
  for (const auto& input : inputs) {
    rd_kafka_topic_partition_list_add(list.get(), topic_name(settings, input.topic).c_str(), input.partition);
  }
  if (const auto code = rd_kafka_committed((*client)->get(), list.get(), kWithinMs);
      code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return tl::make_unexpected(
        kafka_error(code, fmt::format("The committed offsets of the group {} could not be read", group)));
  }
  std::map<Input, GroupPosition> positions;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& found = list->elems[i];
    GroupPosition position;
    position.committed.offset = std::max<std::int64_t>(found.offset, -1);
    position.committed.metadata.assign(static_cast<const char*>(found.metadata), found.metadata_size);
    const auto range = query_offset_range(**client, settings, inputs[i]);
    if (!range) return tl::make_unexpected(range.error());
    position.end = range->high;
    positions[inputs[i]] = std::move(position);
  }
  return positions;
}

}  // namespace fiverate
