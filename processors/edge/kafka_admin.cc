#include "processors/edge/kafka_admin.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <thread>

#include "processors/edge/kafka_log.h"
#include "processors/edge/kafka_offsets.h"

namespace fiverate {
namespace {

using Clock = KafkaClient::Clock;
using std::chrono::milliseconds;

constexpr milliseconds kWithin = kKafkaAnswerWithin;
constexpr int kAdminAnswerMs = kAnswerMs + 1'000;  // librdkafka's own timeout comes first and gives a reason
constexpr std::chrono::seconds kFirstsWithin{30};
constexpr milliseconds kRetryAfter{100};
constexpr std::int32_t kReplicasForTwoAcks = 3;

using NewPartitions = KafkaOwned<rd_kafka_NewPartitions_t, rd_kafka_NewPartitions_destroy>;
using NewTopic = KafkaOwned<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy>;
using Options = KafkaOwned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;
using Resource = KafkaOwned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;

// A topic that the cluster has under our prefix.
struct Found {
  std::int32_t partitions = 0;
  std::int32_t replication_factor = 0;
  bool led = false;  // every partition has a leader
};
using FoundTopics = std::map<Topic, Found>;
using FoundSettings = std::map<Topic, std::map<std::string, std::string, std::less<>>>;

std::vector<Topic> all_topics() {
  std::vector<Topic> all;
  for (std::size_t i = 0; i < kTopicCount; ++i) all.push_back(static_cast<Topic>(i));
  return all;
}

// Brokers before 3.6 have one limit for timestamps in the past and in the future instead of two. Its default is the one that we need.
constexpr std::string_view kOldTimestampLimit = "message.timestamp.difference.max.ms";
bool is_timestamp_limit(std::string_view name) {
  return name == "message.timestamp.before.max.ms" || name == "message.timestamp.after.max.ms";
}

TopicSettings expected_settings(Topic topic, bool live, std::int32_t replication_factor) {
  auto settings = settings_of(topic, live);
  if (replication_factor >= kReplicasForTwoAcks) settings.emplace_back("min.insync.replicas", "2");
  return settings;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// A broker may allow larger records and require more replicas than planned.
bool satisfies(std::string_view name, std::string_view expected, std::string_view found) {
  if (expected == found) return true;
  if (name != "max.message.bytes" && name != "min.insync.replicas") return false;
  const auto least = number(expected);
  const auto has = number(found);
  return least && has && *has >= *least;
}

// ---- requests to the cluster --------------------------------------------------------------------------------------

Result<FoundTopics> find_topics(KafkaClient& client) {
  const auto metadata = client.metadata(kWithin, true);
  rd_kafka_poll(client.get(), 0);  // runs the error callback
  if (!metadata) return client.failed(metadata.error(), "The topics cannot be listed");
  FoundTopics found;
  for (const auto& topic : std::span((*metadata)->topics, static_cast<std::size_t>((*metadata)->topic_cnt))) {
    const auto ours = topic_of(client.settings(), topic.topic);
    if (!ours) continue;
    const std::span partitions(topic.partitions, static_cast<std::size_t>(topic.partition_cnt));
    found[*ours] = {
        topic.partition_cnt, partitions.empty() ? 0 : partitions[0].replica_cnt,
        !partitions.empty() && std::ranges::all_of(partitions, [](const auto& p) { return p.leader >= 0; })};
  }
  return found;
}

// Waits for the answer to the request just sent. A request that failed as a whole is an error.
Result<KafkaEvent> answer_to(std::string_view what, KafkaClient& client, const KafkaQueue& queue) {
  KafkaEvent event(rd_kafka_queue_poll(queue.get(), kAdminAnswerMs));
  rd_kafka_poll(client.get(), 0);
  const auto code = event ? rd_kafka_event_error(event.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
  const auto* detail = code != RD_KAFKA_RESP_ERR__TIMED_OUT ? rd_kafka_event_error_string(event.get()) : nullptr;
  return client.failed(code, what, detail != nullptr ? detail : "");
}

Options options_for(const KafkaClient& client, rd_kafka_admin_op_t op, milliseconds within = kWithin) {
  Options options(rd_kafka_AdminOptions_new(client.get(), op));
  std::array<char, 256> text{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), static_cast<int>(within.count()), text.data(), text.size());
  if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS || op == RD_KAFKA_ADMIN_OP_CREATEPARTITIONS) {
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), kAnswerMs - 1'000, text.data(), text.size());
  }
  return options;
}

Result<FoundSettings> find_settings(const FoundTopics& topics, KafkaClient& client) {
  if (topics.empty()) return FoundSettings{};
  std::vector<Resource> owned;
  std::vector<rd_kafka_ConfigResource_t*> requested;
  for (const auto& [topic, ignored] : topics) {
    owned.emplace_back(
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic_name(client.settings(), topic).c_str()));
    requested.push_back(owned.back().get());
  }
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  // The controller that receives the request may have died. It only reads, so it can be sent again; or the broker is only slow.
  milliseconds within = kWithin / 4;
  const auto describe = [&] {
    const auto options = options_for(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, within);
    rd_kafka_DescribeConfigs(client.get(), requested.data(), requested.size(), options.get(), queue.get());
    return answer_to("The settings of the topics cannot be read", client, queue);
  };
  auto answer = describe();
  while (!answer && answer.error().reaction == Reaction::retry && within < kWithin) {
    std::this_thread::sleep_for(kRetryAfter);
    static_cast<void>(client.metadata(within));
    within *= 2;
    answer = describe();
  }
  TRY(answer);

  FoundSettings found;
  std::size_t count = 0;
  const auto* resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(answer->get()), &count);
  for (const auto* resource : std::span(resources, count)) {
    const std::string_view name = rd_kafka_ConfigResource_name(resource);
    if (const auto code = rd_kafka_ConfigResource_error(resource); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const auto* detail = rd_kafka_ConfigResource_error_string(resource);
      return client.failed(code, fmt::format("The settings of topic {} cannot be read", name),
                           detail != nullptr ? detail : "");
    }
    const auto topic = topic_of(client.settings(), name);
    if (!topic) continue;
    std::size_t entry_count = 0;
    const auto* entries = rd_kafka_ConfigResource_configs(resource, &entry_count);
    for (const auto* entry : std::span(entries, entry_count)) {
      const auto* value = rd_kafka_ConfigEntry_value(entry);
      found[*topic][rd_kafka_ConfigEntry_name(entry)] = value != nullptr ? value : "";
    }
  }
  return found;
}

Result<void> change_setting(const std::vector<Topic>& topics, std::string_view setting, std::string_view value,
                            KafkaClient& client) {
#if RD_KAFKA_VERSION < 0x020200ff
  return fail(
      Reaction::stop,
      "This program was built with librdkafka {}, which cannot change one setting of a topic. Set {} = {} for the "
      "source topics with kafka-configs, then repeat the command.",
      rd_kafka_version_str(), setting, value);
#else
  std::vector<Resource> owned;
  std::vector<rd_kafka_ConfigResource_t*> requested;
  for (const auto topic : topics) {
    owned.emplace_back(
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic_name(client.settings(), topic).c_str()));
    rd_kafka_ConfigResource_add_incremental_config(owned.back().get(), std::string(setting).c_str(),
                                                   RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, std::string(value).c_str());
    requested.push_back(owned.back().get());
  }
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  const auto options = options_for(client, RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS);
  rd_kafka_IncrementalAlterConfigs(client.get(), requested.data(), requested.size(), options.get(), queue.get());
  TRY_VALUE(answer, answer_to(fmt::format("{} of the topics cannot be changed", setting), client, queue));
  std::size_t count = 0;
  const auto* resources = rd_kafka_IncrementalAlterConfigs_result_resources(
      rd_kafka_event_IncrementalAlterConfigs_result(answer.get()), &count);
  for (const auto* resource : std::span(resources, count)) {
    const auto code = rd_kafka_ConfigResource_error(resource);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const auto* detail = rd_kafka_ConfigResource_error_string(resource);
    return client.failed(
        code, fmt::format("{} of topic {} cannot be changed", setting, rd_kafka_ConfigResource_name(resource)),
        detail != nullptr ? detail : "");
  }
  return {};
#endif
}

// ---- the definition, first record of every internal partition ------------------------------------------------------

struct First {
  OffsetRange range;  // of the partition
  std::string value;  // of offset 0, if the log still has it
};

Result<std::map<Input, First>> read_firsts(const TopicPlan& plan, const FoundTopics& found, KafkaClient& client) {
  std::map<Input, First> firsts;
  ReaderOptions waiting;
  for (const auto topic : kInternalTopics) {
    const auto entry = found.find(topic);
    const auto partitions = entry == found.end() ? 0 : std::min(entry->second.partitions, plan.partitions.of(topic));
    for (std::int32_t p = 0; p < partitions; ++p) {
      TRY_VALUE(range, query_offset_range(client, {topic, p}));
      firsts[{topic, p}].range = range;
      if (range.first == 0 && range.end > 0) waiting.inputs.push_back({topic, p});
    }
  }
  // Only one record of each partition is needed, so little is prefetched.
  auto settings = client.settings();
  settings.properties["queued.max.messages.kbytes"] = "8192";
  settings.properties["fetch.message.max.bytes"] = "16384";
  std::set<Input> missing(waiting.inputs.begin(), waiting.inputs.end());
  TRY_VALUE(reader, KafkaReader::open(settings, std::move(waiting)));
  const auto deadline = Clock::now() + kFirstsWithin;
  while (!missing.empty()) {
    std::vector<InRecord> records;
    TRY(reader->poll(milliseconds(100), records));
    for (const auto& record : records) {
      if (missing.erase(record.input) > 0 && record.offset == 0) firsts[record.input].value = record.value;
    }
    if (Clock::now() > deadline) {
      return fail(Reaction::retry, "The first records of {} could not be read within {} s.",
                  client.name(*missing.begin()), kFirstsWithin.count());
    }
  }
  return firsts;
}

Result<std::int32_t> write_definitions(const TopicPlan& plan, const FoundTopics& found, KafkaClient& client) {
  TRY_VALUE(firsts, read_firsts(plan, found, client));
  TRY_VALUE(sink, KafkaSink::open(client.settings()));
  std::int32_t written = 0;
  for (const auto& [input, first] : firsts) {
    if (first.range.end > 0) continue;
    // The timestamp is fixed and lower than those of all other records.
    TRY(sink->send({input.topic, input.partition, 1, {}, plan.definition(input.topic), {}, {}}));
    ++written;
  }
  TRY(sink->flush());
  return written;
}

// ---- creating --------------------------------------------------------------------------------------------------------

// Creates these topics and returns those whose settings the broker refused.
Result<std::vector<Topic>> make_topics(const TopicPlan& plan, const std::vector<Topic>& topics, bool with_limits,
                                       std::vector<std::string>& created, KafkaClient& client) {
  std::vector<Topic> refused;
  if (topics.empty()) return refused;
  std::vector<NewTopic> owned;
  std::vector<rd_kafka_NewTopic_t*> requested;
  std::array<char, 512> text{};
  for (const auto topic : topics) {
    const auto name = topic_name(client.settings(), topic);
    owned.emplace_back(rd_kafka_NewTopic_new(name.c_str(), plan.partitions.of(topic), plan.replication_factor,
                                             text.data(), text.size()));
    if (!owned.back()) return fail(Reaction::stop, "Topic {} cannot be created: {}.", name, text.data());
    for (const auto& [setting, value] : expected_settings(topic, false, plan.replication_factor)) {
      if (with_limits || !is_timestamp_limit(setting))
        rd_kafka_NewTopic_set_config(owned.back().get(), setting.c_str(), value.c_str());
    }
    requested.push_back(owned.back().get());
  }
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  const auto options = options_for(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_CreateTopics(client.get(), requested.data(), requested.size(), options.get(), queue.get());
  TRY_VALUE(answer, answer_to("The topics cannot be created", client, queue));

  std::size_t count = 0;
  const auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer.get()), &count);
  for (const auto* result : std::span(results, count)) {
    const std::string name = rd_kafka_topic_result_name(result);
    const auto code = rd_kafka_topic_result_error(result);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      created.push_back(name);
    } else if (code == RD_KAFKA_RESP_ERR_INVALID_CONFIG && with_limits) {
      refused.push_back(*topic_of(client.settings(), name));
    } else if (code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {  // by another process, just now; it is checked below
      const auto* detail = rd_kafka_topic_result_error_string(result);
      return client.failed(code, fmt::format("Topic {} cannot be created", name), detail != nullptr ? detail : "");
    }
  }
  return refused;
}

// Every broker knows a new topic, and it has leaders, a moment after its creation.
Result<FoundTopics> wait_for_leaders(KafkaClient& client) {
  const auto deadline = Clock::now() + kWithin;
  for (;;) {
    TRY_VALUE(found, find_topics(client));
    const auto all = all_topics();
    const auto missing = std::ranges::find_if(all, [&](Topic topic) { return !found[topic].led; });
    if (missing == all.end()) return found;
    if (Clock::now() > deadline) {
      return fail(Reaction::retry, "Topic {} was created but has no leader after {} s.",
                  topic_name(client.settings(), *missing), kKafkaAnswerWithin.count());
    }
    std::this_thread::sleep_for(milliseconds(50));
  }
}

// ---- checking ------------------------------------------------------------------------------------------------------

using Kind = TopicFinding::Kind;

bool is_document_topic(Topic topic) {
  return std::ranges::find(kDocumentTopics, topic) != kDocumentTopics.end();
}

Result<std::vector<TopicFinding>> check(const TopicPlan& plan, const FoundTopics& found, KafkaClient& client) {
  TRY_VALUE(settings, find_settings(found, client));
  std::vector<TopicFinding> findings;
  for (const auto topic : all_topics()) {
    const auto name = topic_name(client.settings(), topic);
    const auto entry = found.find(topic);
    if (entry == found.end()) {
      findings.push_back({name, "topic", "present", "missing", Kind::missing});
      continue;
    }
    const auto& [partitions, replication_factor, led] = entry->second;
    if (const auto expected = plan.partitions.of(topic); partitions != expected) {
      const auto kind = partitions < expected ? Kind::differs : is_document_topic(topic) ? Kind::unread : Kind::surplus;
      findings.push_back({name, "partitions", std::to_string(expected), std::to_string(partitions), kind});
    }
    if (!led) findings.push_back({name, "leader", "one for every partition", "missing", Kind::missing});
    const auto& in_cluster = settings[topic];
    for (const auto& [setting, value] : expected_settings(topic, plan.live, replication_factor)) {
      auto is = in_cluster.find(setting);
      if (is == in_cluster.end() && is_timestamp_limit(setting)) is = in_cluster.find(std::string(kOldTimestampLimit));
      const auto text = is != in_cluster.end() ? is->second : "unknown to this broker";
      if (!satisfies(setting, value, text)) findings.push_back({name, setting, value, text});
    }
  }
  TRY_VALUE(firsts, read_firsts(plan, found, client));
  for (const auto& [input, first] : firsts) {
    const auto& [begin, end] = first.range;
    if (end > 0 && begin == 0 && first.value == plan.definition(input.topic)) continue;
    findings.push_back({topic_name(client.settings(), input.topic),
                        fmt::format("definition in partition {}", input.partition), "the one of this configuration",
                        end == 0    ? "none: the partition is empty"
                        : begin > 0 ? fmt::format("none: the log begins at offset {}", begin)
                                    : "a different one",
                        end == 0    ? Kind::missing
                        : begin > 0 ? Kind::expired
                                    : Kind::differs});
  }
  return findings;
}

}  // namespace

std::string to_text(const TopicFinding& finding) {
  const auto text =
      fmt::format("{}: {} is {}, expected {}", finding.topic, finding.setting, finding.found, finding.expected);
  return finding.kind == Kind::surplus ? text + "; the others are not used" : text;
}

Result<TopicsMade> create_topics(const KafkaSettings& settings, const TopicPlan& plan) {
  TRY_VALUE(client, KafkaClient::open(settings));
  TRY_VALUE(before, find_topics(*client));
  TopicsMade result;
  TRY_VALUE(existing, check(plan, before, *client));
  if (std::ranges::any_of(existing, [](const auto& finding) {
        return finding.kind != Kind::missing && finding.kind != Kind::surplus;
      })) {
    result.findings = std::move(existing);
    return result;
  }
  auto missing = all_topics();
  std::erase_if(missing, [&](Topic topic) { return before.contains(topic); });
  TRY_VALUE(refused, make_topics(plan, missing, true, result.created, *client));
  TRY(make_topics(plan, refused, false, result.created, *client));
  TRY_VALUE(found, wait_for_leaders(*client));
  // After a crash before or within the next line some partitions are empty; the next run writes their definitions.
  TRY_VALUE(written, write_definitions(plan, found, *client));
  result.definitions_written = written;
  TRY_VALUE(findings, check(plan, found, *client));
  result.findings = std::move(findings);
  return result;
}

Result<std::vector<TopicFinding>> check_topics(const KafkaSettings& settings, const TopicPlan& plan) {
  TRY_VALUE(client, KafkaClient::open(settings));
  TRY_VALUE(found, find_topics(*client));
  return check(plan, found, *client);
}

Result<void> let_kafka_stamp(const KafkaSettings& settings) {
  TRY_VALUE(client, KafkaClient::open(settings));
  TRY_VALUE(topics, find_topics(*client));
  TRY_VALUE(found, find_settings(topics, *client));
  std::vector<Topic> to_change;
  for (const auto& [topic, set] : found) {
    const auto stamps = set.find(kTimestampType);
    if (is_source(topic) && stamps != set.end() && stamps->second != kStampedByKafka) to_change.push_back(topic);
  }
  if (to_change.empty()) return {};
  return change_setting(to_change, kTimestampType, kStampedByKafka, *client);
}

Result<std::map<Topic, std::int32_t>> count_partitions(const KafkaSettings& settings) {
  TRY_VALUE(client, KafkaClient::open(settings));
  TRY_VALUE(found, find_topics(*client));
  std::map<Topic, std::int32_t> counts;
  for (const auto& [topic, entry] : found) counts[topic] = entry.partitions;
  return counts;
}

Result<void> grow_topic(const KafkaSettings& settings, Topic topic, std::int32_t partitions) {
  TRY_VALUE(client, KafkaClient::open(settings));
  const auto name = topic_name(settings, topic);
  const auto what = fmt::format("Topic {} cannot get {} partitions", name, partitions);
  std::array<char, 512> text{};
  const NewPartitions growth(
      rd_kafka_NewPartitions_new(name.c_str(), static_cast<std::size_t>(partitions), text.data(), text.size()));
  if (!growth) return fail(Reaction::stop, "{}: {}.", what, text.data());
  auto* requested = growth.get();
  const KafkaQueue queue(rd_kafka_queue_new(client->get()));
  const auto options = options_for(*client, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
  rd_kafka_CreatePartitions(client->get(), &requested, 1, options.get(), queue.get());
  TRY_VALUE(answer, answer_to(what, *client, queue));
  std::size_t count = 0;
  const auto* results =
      rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(answer.get()), &count);
  for (const auto* result : std::span(results, count)) {
    const auto code = rd_kafka_topic_result_error(result);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const auto* detail = rd_kafka_topic_result_error_string(result);
    return client->failed(code, what, detail != nullptr ? detail : "");
  }
  return {};
}

Result<std::vector<std::string>> topics_with_one_replica(const KafkaSettings& settings) {
  TRY_VALUE(client, KafkaClient::open(settings));
  TRY_VALUE(found, find_topics(*client));
  std::vector<std::string> names;
  for (const auto& [topic, entry] : found) {
    if (entry.replication_factor == 1) names.push_back(topic_name(settings, topic));
  }
  return names;
}

}  // namespace fiverate
