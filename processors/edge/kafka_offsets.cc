#include "processors/edge/kafka_offsets.h"

#include <cstring>
#include <span>
#include <thread>

namespace fiverate {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kElectionPause{50};
constexpr std::chrono::seconds kKnownWithin{2};  // every broker knows a new topic after this time
constexpr std::chrono::seconds kRetriedWithin{1};

// False only if a broker answered that there is no such partition.
bool may_exist(KafkaClient& client, const Input& input) {
  const auto metadata = client.metadata(kRetriedWithin, true);
  if (!metadata) return true;
  const std::span topics((*metadata)->topics, static_cast<std::size_t>((*metadata)->topic_cnt));
  return std::ranges::any_of(topics, [&](const auto& topic) {
    return topic.topic == topic_name(client.settings(), input.topic) && input.partition < topic.partition_cnt;
  });
}

}  // namespace

Result<OffsetRange> query_offset_range(KafkaClient& client, const Input& input) {
  const auto topic = topic_name(client.settings(), input.topic);
  const auto begun = KafkaClient::Clock::now();
  // The first timeout is long, since a leader may be slow. Later ones are shorter, since there may be another leader.
  for (milliseconds within = kKafkaAnswerWithin / 2;; within = kRetriedWithin) {
    OffsetRange range;
    const auto code = rd_kafka_query_watermark_offsets(client.get(), topic.c_str(), input.partition, &range.first,
                                                       &range.end, static_cast<int>(within.count()));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return range;
    const auto elapsed = KafkaClient::Clock::now() - begun;
    // librdkafka also reports a partition as unknown while it is new or has no leader, and when no broker answers.
    const bool is_unknown = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                            code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    if (is_unknown && elapsed > kKnownWithin && !may_exist(client, input)) {
      return fail(Reaction::stop, "{} does not exist at {}: run `topics create`.", client.name(input),
                  client.servers());
    }
    auto error =
        client.failed(code, fmt::format("The first and last offsets of {} could not be read", client.name(input)));
    if (error.value().reaction != Reaction::retry || elapsed + kRetriedWithin > kKafkaAnswerWithin) return error;
    std::this_thread::sleep_for(kElectionPause);
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT) static_cast<void>(client.metadata(kRetriedWithin));
  }
}

Error outside_log(const std::string& partition, std::int64_t offset, const OffsetRange& range) {
  return {Reaction::stop,
          fmt::format("{} is to be read from offset {}, but it holds {} to {} (the last one excluded): {}. Nothing is "
                      "skipped.",
                      partition, offset, range.first, range.end,
                      offset < range.first ? "its older records were deleted" : "it was truncated or created again")};
}

KafkaPartitions partition_list(const KafkaSettings& settings, const std::map<Input, Committed>& positions) {
  KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
  for (const auto& [input, position] : positions) {
    auto& element =
        *rd_kafka_topic_partition_list_add(list.get(), topic_name(settings, input.topic).c_str(), input.partition);
    element.offset = position.offset;
    if (position.metadata.empty()) continue;
    element.metadata = rd_kafka_mem_malloc(nullptr, position.metadata.size());  // librdkafka frees it with the list
    element.metadata_size = position.metadata.size();
    std::memcpy(element.metadata, position.metadata.data(), position.metadata.size());
  }
  return list;
}

Result<std::map<Input, Committed>> query_committed(const KafkaClient& client, const std::vector<Input>& inputs,
                                                   milliseconds within) {
  std::map<Input, Committed> found;
  for (const auto& input : inputs) found[input];
  const auto list = partition_list(client.settings(), found);
  auto code = rd_kafka_committed(client.get(), list.get(), static_cast<int>(within.count()));
  for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    const auto& element = list->elems[i];
    code = element.err;
    const Input input{*topic_of(client.settings(), element.topic), element.partition};
    if (element.offset < 0) {
      found.erase(input);
    } else {
      found[input] = {element.offset, std::string(static_cast<const char*>(element.metadata), element.metadata_size)};
    }
  }
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return found;
  return client.failed(code, "The committed offsets of the group could not be read");
}

namespace {

// Of all inputs.
Result<std::map<Input, Committed>> commits_of(KafkaClient& client, const std::vector<Input>& inputs) {
  TRY_VALUE(commits, query_committed(client, inputs));
  for (const auto& input : inputs) commits.try_emplace(input, Committed{-1, {}});
  return commits;
}

}  // namespace

Result<std::map<Input, Committed>> group_commits(const KafkaSettings& settings, const std::string& group,
                                                 const std::vector<Input>& inputs) {
  TRY_VALUE(client, KafkaClient::open(settings, consumer_role(settings, group)));
  return commits_of(*client, inputs);
}

Result<std::map<Input, GroupPosition>> group_positions(const KafkaSettings& settings, const std::string& group,
                                                       const std::vector<Input>& inputs) {
  TRY_VALUE(client, KafkaClient::open(settings, consumer_role(settings, group)));
  TRY_VALUE(commits, commits_of(*client, inputs));
  std::map<Input, GroupPosition> positions;
  for (auto& [input, committed] : commits) {
    TRY_VALUE(range, query_offset_range(*client, input));
    positions[input] = {std::move(committed), range.end};
  }
  return positions;
}

Result<std::vector<std::string>> group_members(const KafkaSettings& settings, const std::string& group) {
  TRY_VALUE(client, KafkaClient::open(settings));
  const rd_kafka_group_list* listed = nullptr;
  const auto code = rd_kafka_list_groups(client->get(), group.c_str(), &listed, kAnswerMs);
  const KafkaOwned<const rd_kafka_group_list, rd_kafka_group_list_destroy> owned(listed);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return client->failed(code, fmt::format("The members of the group {} could not be read", group));
  }
  std::vector<std::string> members;
  for (const auto& found : std::span(listed->groups, static_cast<std::size_t>(listed->group_cnt))) {
    for (int i = 0; i < found.member_cnt; ++i) members.emplace_back(found.members[i].client_host);
  }
  return members;
}

Result<void> set_group_position(const KafkaSettings& settings, const std::string& group, const Input& input,
                                const Committed& position) {
  TRY_VALUE(client, KafkaClient::open(settings, consumer_role(settings, group)));
  const auto list = partition_list(settings, {{input, position}});
  auto code = rd_kafka_commit(client->get(), list.get(), 0);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = list->elems[0].err;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  if (code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION) {
    return fail(Reaction::stop, "The group {} has members: stop all processes of this stage first.", group);
  }
  return client->failed(code, fmt::format("The position of the group {} could not be set", group));
}

}  // namespace fiverate
