#include "processors/edge/kafka_groups.h"

#include <cstring>

#include "processors/edge/kafka_fetcher.h"

namespace fiverate {

namespace {

Result<std::map<Input, Committed>> committed_of(const KafkaClient& client, const KafkaSettings& settings,
                                                const std::string& group, const std::vector<Input>& inputs) {
  constexpr int kCommitsWithinMs = 10'000;
  const KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(inputs.size())));
  for (const auto& input : inputs) {
    rd_kafka_topic_partition_list_add(list.get(), topic_name(settings, input.topic).c_str(), input.partition);
  }
  if (const auto code = rd_kafka_committed(client.get(), list.get(), kCommitsWithinMs);
      code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return tl::make_unexpected(
        kafka_error(code, fmt::format("The committed offsets of the group {} could not be read", group)));
  }
  std::map<Input, Committed> positions;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& found = list->elems[i];
    auto& committed = positions[inputs[i]];
    committed.offset = std::max<std::int64_t>(found.offset, -1);
    committed.metadata.assign(static_cast<const char*>(found.metadata), found.metadata_size);
  }
  return positions;
}

}  // namespace

Result<std::map<Input, Committed>> group_commits(const KafkaSettings& settings, const std::string& group,
                                                 const std::vector<Input>& inputs) {
  TRY_VALUE(client, KafkaClient::open(settings, consumer_role(group, settings.fetch_kib)));
  return committed_of(*client, settings, group, inputs);
}

Result<std::map<Input, GroupPosition>> group_positions(const KafkaSettings& settings, const std::string& group,
                                                       const std::vector<Input>& inputs) {
  TRY_VALUE(client, KafkaClient::open(settings, consumer_role(group, settings.fetch_kib)));
  TRY_VALUE(commits, committed_of(*client, settings, group, inputs));
  std::map<Input, GroupPosition> positions;
  for (auto& [input, committed] : commits) {
    TRY_VALUE(range, query_offset_range(*client, settings, input));
    positions[input] = {std::move(committed), range.end};
  }
  return positions;
}

Result<std::vector<std::string>> group_members(const KafkaSettings& settings, const std::string& group) {
  TRY_VALUE(client, KafkaClient::open(settings, admin_role()));
  const rd_kafka_group_list* listed = nullptr;
  const auto code = rd_kafka_list_groups(client->get(), group.c_str(), &listed, kAnswerMs);
  const std::unique_ptr<const rd_kafka_group_list, void (*)(const rd_kafka_group_list*)> owned(
      listed, rd_kafka_group_list_destroy);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return tl::make_unexpected(
        kafka_error(code, fmt::format("The members of the group {} could not be read", group), client->last_error()));
  }
  std::vector<std::string> members;
  for (int i = 0; i < listed->group_cnt; ++i) {
    for (int j = 0; j < listed->groups[i].member_cnt; ++j)
      members.emplace_back(listed->groups[i].members[j].client_host);
  }
  return members;
}

Result<void> set_group_position(const KafkaSettings& settings, const std::string& group, const Input& input,
                                const Committed& position) {
  TRY_VALUE(client, KafkaClient::open(settings, consumer_role(group, settings.fetch_kib)));
  const auto list = new_list(1);
  auto& element = add(*list, settings, input);
  element.offset = position.offset;
  element.metadata = rd_kafka_mem_malloc(nullptr, position.metadata.size());  // librdkafka frees it with the list
  element.metadata_size = position.metadata.size();
  std::memcpy(element.metadata, position.metadata.data(), position.metadata.size());
  auto code = rd_kafka_commit(client->get(), list.get(), 0);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = list->elems[0].err;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  if (code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION) {
    return fail(Reaction::stop, "The group {} has members: stop all processes of this stage first.", group);
  }
  return tl::make_unexpected(
      kafka_error(code, fmt::format("The position of the group {} could not be set", group), client->last_error()));
}

}  // namespace fiverate
