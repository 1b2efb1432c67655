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

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kWithin{10};
constexpr int kWithinMs = static_cast<int>(milliseconds(kWithin).count());
constexpr int kAdminAnswerMs = kWithinMs + 1'000;  // librdkafka's own timeout comes first and gives a reason
constexpr milliseconds kRetryAfter{100};
constexpr milliseconds kFirstTimeout{2'000};  // the controller that receives the request may have died
constexpr std::int32_t kReplicasForTwoAcks = 3;

using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, KafkaDestroy<rd_kafka_NewTopic_destroy>>;
using Options = std::unique_ptr<rd_kafka_AdminOptions_t, KafkaDestroy<rd_kafka_AdminOptions_destroy>>;
using Resource = std::unique_ptr<rd_kafka_ConfigResource_t, KafkaDestroy<rd_kafka_ConfigResource_destroy>>;

// A topic that the cluster has under our prefix.
struct Found {
  std::int32_t partitions = 0;
  std::int32_t replication_factor = 0;
  bool led = false;  // every partition has a leader
};
using FoundTopics = std::map<Topic, Found>;
using FoundSettings = std::map<Topic, std::map<std::string, std::string>>;

std::vector<Topic> all_topics() {
  std::vector<Topic> all;
  for (std::size_t i = 0; i < kTopicCount; ++i) all.push_back(static_cast<Topic>(i));
  return all;
}

// Brokers before 3.6 have one setting for timestamps in the past and in the future.
constexpr std::string_view kOldTimestampSetting = "message.timestamp.difference.max.ms";
bool is_new_timestamp_setting(std::string_view name) {
  return name == "message.timestamp.before.max.ms" || name == "message.timestamp.after.max.ms";
}

TopicSettings expected_settings(Topic topic, bool wall_clock, std::int32_t replication_factor) {
  auto settings = settings_of(topic, wall_clock);
  if (replication_factor >= kReplicasForTwoAcks) settings.emplace_back("min.insync.replicas", "2");
  return settings;
}

TopicSettings for_old_broker(const TopicSettings& settings) {
  TopicSettings old;
  for (const auto& [name, value] : settings) {
    if (!is_new_timestamp_setting(name)) {
      old.emplace_back(name, value);
    } else if (name == "message.timestamp.before.max.ms") {
      old.emplace_back(kOldTimestampSetting, value);
    }
  }
  return old;
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

Result<FoundTopics> find_topics(const KafkaSettings& settings, KafkaClient& client) {
  const rd_kafka_metadata_t* answer = nullptr;
  const auto code = rd_kafka_metadata(client.get(), 1, nullptr, &answer, kWithinMs);
  const KafkaMetadata owned(answer);
  rd_kafka_poll(client.get(), 0);  // runs the error callback
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return tl::make_unexpected(
        kafka_error(code, fmt::format("The topics at {} cannot be listed", client.servers()), client.last_error()));
  }
  FoundTopics found;
  for (const auto& topic : std::span(answer->topics, static_cast<std::size_t>(answer->topic_cnt))) {
    const auto ours = topic_of(settings, topic.topic);
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
  const auto* detail = event ? rd_kafka_event_error_string(event.get()) : nullptr;
  return tl::make_unexpected(
      kafka_error(code, fmt::format("{} at {}", what, client.servers()),
                  detail != nullptr && code != RD_KAFKA_RESP_ERR__TIMED_OUT ? detail : client.last_error()));
}

Options options_for(const KafkaClient& client, rd_kafka_admin_op_t op, milliseconds within = kWithin) {
  Options options(rd_kafka_AdminOptions_new(client.get(), op));
  std::array<char, 256> text{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), static_cast<int>(within.count()), text.data(), text.size());
  if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS) {
    rd_kafka_AdminOptions_set_operation_timeout(options.get(), kWithinMs - 1'000, text.data(), text.size());
  }
  return options;
}

Result<FoundSettings> find_settings(const KafkaSettings& settings, const std::vector<Topic>& topics,
                                    KafkaClient& client) {
  if (topics.empty()) return FoundSettings{};
  std::vector<Resource> owned;
  std::vector<rd_kafka_ConfigResource_t*> requested;
  for (const auto topic : topics) {
    owned.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic_name(settings, topic).c_str()));
    requested.push_back(owned.back().get());
  }
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  // This request only reads, so it can be sent again after a connection was lost.
  const auto until = Clock::now() + kWithin;
  auto within = kFirstTimeout;
  const auto describe = [&] {
    const auto options = options_for(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, within);
    rd_kafka_DescribeConfigs(client.get(), requested.data(), requested.size(), options.get(), queue.get());
    return answer_to("The settings of the topics cannot be read", client, queue);
  };
  auto answer = describe();
  while (!answer && answer.error().reaction == Reaction::retry && Clock::now() < until) {
    std::this_thread::sleep_for(kRetryAfter);
    client.refresh_metadata(kFirstTimeout);
    within *= 2;  // the broker may only be slow
    answer = describe();
  }
  if (!answer) return tl::make_unexpected(answer.error());

  FoundSettings found;
  std::size_t count = 0;
  const auto* resources =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(answer->get()), &count);
  for (const auto* resource : std::span(resources, count)) {
    const std::string_view name = rd_kafka_ConfigResource_name(resource);
    if (const auto code = rd_kafka_ConfigResource_error(resource); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const auto* detail = rd_kafka_ConfigResource_error_string(resource);
      return tl::make_unexpected(kafka_error(code, fmt::format("The settings of topic {} cannot be read", name),
                                             detail != nullptr ? detail : ""));
    }
    const auto topic = topic_of(settings, name);
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

// ---- the definition, first record of every internal partition ------------------------------------------------------

struct First {
  bool empty = true;     // no record was ever written
  std::int64_t low = 0;  // first offset that the log still has
  std::string value;     // of offset 0, if the log still has it
};

Result<std::map<Input, First>> read_firsts(KafkaSettings settings, const std::vector<Input>& inputs) {
  // Only one record of each partition is needed, so little is prefetched.
  settings.properties["queued.max.messages.kbytes"] = "8192";
  settings.properties["fetch.message.max.bytes"] = "16384";
  auto reader = KafkaReader::open(settings, {inputs, {}, true});
  if (!reader) return tl::make_unexpected(reader.error());
  std::map<Input, First> firsts;
  std::set<Input> waiting;
  const auto deadline = Clock::now() + 3 * kWithin;
  for (bool begun = false; !begun || !waiting.empty();) {
    std::vector<InRecord> records;
    TRY((*reader)->poll(milliseconds(100), records));
    if (!std::exchange(begun, true)) {
      for (const auto& [input, span] : (*reader)->spans()) {
        firsts[input] = {span.end == 0, span.begin, {}};
        if (span.begin == 0 && span.end > 0) waiting.insert(input);
      }
    }
    for (const auto& record : records) {
      if (waiting.erase(record.input) > 0 && record.offset == 0) firsts[record.input].value = record.value;
    }
    if ((*reader)->finished()) break;
    if (Clock::now() > deadline) {
      return fail(Reaction::retry, "The first records of {} could not be read within {} s.",
                  topic_name(settings, waiting.begin()->topic), 3 * kWithin.count());
    }
  }
  return firsts;
}

std::vector<Input> internal_inputs(const FoundTopics& found) {
  std::vector<Input> inputs;
  for (const auto topic : kInternalTopics) {
    const auto entry = found.find(topic);
    if (entry == found.end()) continue;
    for (std::int32_t partition = 0; partition < entry->second.partitions; ++partition)
      inputs.push_back({topic, partition});
  }
  return inputs;
}

Result<std::vector<TopicFinding>> check_definitions(const KafkaSettings& settings, const TopicPlan& plan,
                                                    const FoundTopics& found) {
  std::vector<TopicFinding> findings;
  const auto inputs = internal_inputs(found);
  if (inputs.empty() || !plan.definition) return findings;
  const auto firsts = read_firsts(settings, inputs);
  if (!firsts) return tl::make_unexpected(firsts.error());
  for (const auto& [input, first] : *firsts) {
    if (!first.empty && first.low == 0 && first.value == plan.definition(input.topic)) continue;
    findings.push_back({topic_name(settings, input.topic), fmt::format("definition in partition {}", input.partition),
                        "the one of this configuration",
                        first.empty     ? "none: the partition is empty"
                        : first.low > 0 ? fmt::format("none: the log begins at offset {}", first.low)
                                        : "a different one",
                        first.low > 0});
  }
  return findings;
}

Result<std::int32_t> write_definitions(const KafkaSettings& settings, const TopicPlan& plan, const FoundTopics& found) {
  const auto inputs = internal_inputs(found);
  if (inputs.empty() || !plan.definition) return 0;
  const auto firsts = read_firsts(settings, inputs);
  if (!firsts) return tl::make_unexpected(firsts.error());
  auto sink = KafkaSink::open(settings);
  if (!sink) return tl::make_unexpected(sink.error());
  std::int32_t written = 0;
  for (const auto& [input, first] : *firsts) {
    if (!first.empty) continue;
    // The timestamp is fixed and lower than those of all other records.
    TRY((*sink)->send({input.topic, input.partition, 1, {}, plan.definition(input.topic), {}, {}}));
    ++written;
  }
  TRY((*sink)->flush());
  return written;
}

// ---- creating --------------------------------------------------------------------------------------------------------

struct Attempt {
  std::vector<Topic> made;
  std::vector<Topic> unknown_setting;  // the broker refused their settings
  std::string reason;
};

Result<Attempt> make_topics(const KafkaSettings& settings, const TopicPlan& plan, const std::vector<Topic>& topics,
                            bool old_broker, KafkaClient& client) {
  Attempt attempt;
  if (topics.empty()) return attempt;
  std::vector<NewTopic> owned;
  std::vector<rd_kafka_NewTopic_t*> requested;
  std::array<char, 512> text{};
  for (const auto topic : topics) {
    owned.emplace_back(rd_kafka_NewTopic_new(topic_name(settings, topic).c_str(), plan.partitions.of(topic),
                                             plan.replication_factor, text.data(), text.size()));
    if (!owned.back())
      return fail(Reaction::stop, "Topic {} cannot be created: {}.", topic_name(settings, topic), text.data());
    const auto expected = expected_settings(topic, plan.wall_clock, plan.replication_factor);
    for (const auto& [name, value] : old_broker ? for_old_broker(expected) : expected) {
      rd_kafka_NewTopic_set_config(owned.back().get(), name.c_str(), value.c_str());
    }
    requested.push_back(owned.back().get());
  }
  const KafkaQueue queue(rd_kafka_queue_new(client.get()));
  const auto options = options_for(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_CreateTopics(client.get(), requested.data(), requested.size(), options.get(), queue.get());
  const auto answer = answer_to("The topics cannot be created", client, queue);
  if (!answer) return tl::make_unexpected(answer.error());

  std::size_t count = 0;
  const auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer->get()), &count);
  for (const auto* result : std::span(results, count)) {
    const std::string_view name = rd_kafka_topic_result_name(result);
    const auto topic = topic_of(settings, name);
    if (!topic) continue;
    const auto* error_text = rd_kafka_topic_result_error_string(result);
    const std::string_view detail = error_text != nullptr ? error_text : "";
    switch (const auto code = rd_kafka_topic_result_error(result)) {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        attempt.made.push_back(*topic);
        break;
      case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        break;  // another process has just created it; it is checked below
      case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
        attempt.unknown_setting.push_back(*topic);
        attempt.reason = detail;
        break;
      default:
        return tl::make_unexpected(kafka_error(code, fmt::format("Topic {} cannot be created", name), detail));
    }
  }
  return attempt;
}

// Every broker knows a new topic, and it has leaders, a moment after its creation.
Result<FoundTopics> wait_for(const KafkaSettings& settings, KafkaClient& client) {
  const auto deadline = Clock::now() + kWithin;
  for (;;) {
    auto found = find_topics(settings, client);
    if (!found) return found;
    const auto all = all_topics();
    const auto missing = std::ranges::find_if(all, [&](Topic topic) {
      const auto entry = found->find(topic);
      return entry == found->end() || !entry->second.led;
    });
    if (missing == all.end()) return found;
    if (Clock::now() > deadline) {
      return fail(Reaction::retry, "Topic {} was created but has no leader after {} s.", topic_name(settings, *missing),
                  kWithin.count());
    }
    std::this_thread::sleep_for(milliseconds(50));
  }
}

// ---- checking ------------------------------------------------------------------------------------------------------

void check_settings(const std::string& topic, const TopicSettings& expected,
                    const std::map<std::string, std::string>& found, std::vector<TopicFinding>& findings) {
  for (const auto& [name, value] : expected) {
    auto entry = found.find(name);
    if (entry == found.end() && is_new_timestamp_setting(name)) entry = found.find(std::string(kOldTimestampSetting));
    if (entry == found.end()) {
      findings.push_back({topic, name, value, "unknown to this broker"});
    } else if (!satisfies(name, value, entry->second)) {
      findings.push_back({topic, name, value, entry->second});
    }
  }
}

Result<std::vector<TopicFinding>> check(const KafkaSettings& settings, const TopicPlan& plan, const FoundTopics& found,
                                        KafkaClient& client) {
  std::vector<Topic> present;
  for (const auto& [topic, ignored] : found) present.push_back(topic);
  const auto configs = find_settings(settings, present, client);
  if (!configs) return tl::make_unexpected(configs.error());

  std::vector<TopicFinding> findings;
  for (const auto topic : all_topics()) {
    const auto name = topic_name(settings, topic);
    const auto entry = found.find(topic);
    if (entry == found.end()) {
      findings.push_back({name, "topic", "present", "missing"});
      continue;
    }
    const auto& [partitions, replication_factor, led] = entry->second;
    if (const auto expected = plan.partitions.of(topic); partitions != expected) {
      findings.push_back({name, "partitions", std::to_string(expected), std::to_string(partitions)});
    }
    if (!led) findings.push_back({name, "leader", "one for every partition", "missing"});
    const auto config = configs->find(topic);
    check_settings(name, expected_settings(topic, plan.wall_clock, replication_factor),
                   config != configs->end() ? config->second : std::map<std::string, std::string>{}, findings);
  }
  auto definitions = check_definitions(settings, plan, found);
  if (!definitions) return definitions;
  std::ranges::move(*definitions, std::back_inserter(findings));
  return findings;
}

}  // namespace

std::string to_text(const TopicFinding& finding) {
  return fmt::format("{}: {} is {}, expected {}", finding.topic, finding.setting, finding.found, finding.expected);
}

Result<TopicsMade> create_topics(const KafkaSettings& settings, const TopicPlan& plan) {
  const auto client = KafkaClient::open(settings, admin_role());
  if (!client) return tl::make_unexpected(client.error());
  auto found = find_topics(settings, **client);
  if (!found) return tl::make_unexpected(found.error());

  std::vector<Topic> missing;
  for (const auto topic : all_topics()) {
    if (!found->contains(topic)) missing.push_back(topic);
  }
  auto attempt = make_topics(settings, plan, missing, false, **client);
  if (!attempt) return tl::make_unexpected(attempt.error());
  TopicsMade result;
  const auto add_created = [&](const std::vector<Topic>& topics) {
    for (const auto topic : topics) result.created.push_back(topic_name(settings, topic));
  };
  add_created(attempt->made);
  if (!attempt->unknown_setting.empty()) {
    const auto again = make_topics(settings, plan, attempt->unknown_setting, true, **client);
    if (!again) return tl::make_unexpected(again.error());
    if (!again->unknown_setting.empty()) {
      return fail(Reaction::stop, "Topic {} cannot be created, the broker refuses its settings: {}.",
                  topic_name(settings, again->unknown_setting.front()), attempt->reason);
    }
    add_created(again->made);
  }

  found = wait_for(settings, **client);
  if (!found) return tl::make_unexpected(found.error());
  // After a crash before or within the next line some partitions are empty; the next run writes their definitions.
  const auto written = write_definitions(settings, plan, *found);
  if (!written) return tl::make_unexpected(written.error());
  result.definitions_written = *written;
  auto findings = check(settings, plan, *found, **client);
  if (!findings) return tl::make_unexpected(findings.error());
  result.findings = std::move(*findings);
  return result;
}

Result<std::vector<TopicFinding>> check_topics(const KafkaSettings& settings, const TopicPlan& plan) {
  const auto client = KafkaClient::open(settings, admin_role());
  if (!client) return tl::make_unexpected(client.error());
  const auto found = find_topics(settings, **client);
  if (!found) return tl::make_unexpected(found.error());
  return check(settings, plan, *found, **client);
}

Result<std::map<Topic, std::int32_t>> topic_partitions(const KafkaSettings& settings) {
  const auto client = KafkaClient::open(settings, admin_role());
  if (!client) return tl::make_unexpected(client.error());
  const auto found = find_topics(settings, **client);
  if (!found) return tl::make_unexpected(found.error());
  std::map<Topic, std::int32_t> partitions;
  for (const auto& [topic, entry] : *found) partitions[topic] = entry.partitions;
  return partitions;
}

Result<std::vector<std::string>> topics_with_one_replica(const KafkaSettings& settings) {
  TRY_VALUE(client, KafkaClient::open(settings, admin_role()));
  TRY_VALUE(found, find_topics(settings, *client));
  std::vector<std::string> names;
  for (const auto& [topic, entry] : found) {
    if (entry.replication_factor == 1) names.push_back(topic_name(settings, topic));
  }
  return names;
}

}  // namespace fiverate
