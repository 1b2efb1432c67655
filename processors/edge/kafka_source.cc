#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "processors/edge/kafka_fetcher.h"

namespace fiverate {

using std::chrono::milliseconds;

struct KafkaSource::Parts {
  Listener listener;
  std::unique_ptr<KafkaFetcher> fetcher;
  std::string member;
  bool leaving = false;         // set before another thread closes the consumer
  bool assigned = false;        // since the last revocation
  std::vector<Input> left_out;  // assigned, but left out by the listener
  std::chrono::steady_clock::time_point positions_requested{};

  // Where the listener, or else the group, begins to read these inputs. Updates left_out.
  Result<KafkaFetcher::Positions> start_positions(const std::vector<Input>& inputs);
  Result<void> retry_left_out();
  // Error: another member has joined under the name of this process.
  [[nodiscard]] Result<void> check_not_fenced() const;
  // Error: without an assignment, the group's coordinator has been unreachable for kKafkaAwayMax.
  [[nodiscard]] Result<void> check_coordinator() const;
  void on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& partitions);
};

namespace {

std::optional<Input> input_of(const KafkaSettings& settings, const rd_kafka_topic_partition_t& partition) {
  const auto topic = topic_of(settings, partition.topic);
  if (!topic) return std::nullopt;
  return Input{*topic, partition.partition};
}

Result<std::map<Input, Committed>> query_committed(const KafkaFetcher& fetcher, const std::vector<Input>& inputs,
                                                   milliseconds within) {
  const auto list = new_list(inputs.size());
  for (const auto& input : inputs) add(*list, fetcher.settings(), input);
  auto code = rd_kafka_committed(fetcher.client().get(), list.get(), static_cast<int>(within.count()));
  for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) code = list->elems[i].err;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return tl::make_unexpected(kafka_error(
        code, fmt::format("The committed offsets of the group could not be read from {}", fetcher.client().servers()),
        fetcher.client().last_error()));
  }
  std::map<Input, Committed> found;
  for (int i = 0; i < list->cnt; ++i) {
    const auto& element = list->elems[i];
    if (element.offset < 0) continue;
    found[inputs[static_cast<std::size_t>(i)]] = {
        element.offset, std::string(static_cast<const char*>(element.metadata), element.metadata_size)};
  }
  return found;
}

// The group is rebalancing, or this process is no longer a member. The next owner of the partition commits.
bool is_rebalance(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
         code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST;
}

}  // namespace

Result<KafkaFetcher::Positions> KafkaSource::Parts::start_positions(const std::vector<Input>& inputs) {
  std::map<Input, std::int64_t> offsets;
  if (listener.on_assigned) {
    auto answered = listener.on_assigned(inputs);
    if (!answered) return tl::make_unexpected(answered.error());
    offsets = std::move(*answered);
  } else {
    const auto group = query_committed(*fetcher, inputs, kKafkaAnswerWithin);
    if (!group) return tl::make_unexpected(group.error());
    for (const auto& input : inputs) {
      const auto found = group->find(input);
      offsets[input] = found != group->end() ? found->second.offset : kFromBeginning;
    }
  }
  KafkaFetcher::Positions positions;
  left_out.clear();
  for (const auto& input : inputs) {
    if (const auto offset = offsets.find(input); offset != offsets.end()) {
      positions[input].next = offset->second;
    } else {
      left_out.push_back(input);
    }
  }
  positions_requested = std::chrono::steady_clock::now();
  return positions;
}

Result<void> KafkaSource::Parts::retry_left_out() {
  if (left_out.empty() || std::chrono::steady_clock::now() - positions_requested < kRetryLeftOutEvery) return {};
  auto positions = start_positions(std::vector(left_out));
  if (!positions) return tl::make_unexpected(positions.error());
  if (positions->empty()) return {};
  // With eager rebalancing an assignment can only be replaced as a whole.
  for (const auto& [input, position] : fetcher->positions()) positions->emplace(input, position);
  return fetcher->assign(std::move(*positions));
}

// A member that joins under a name fences the one before it. That one may be this process itself, if a broker lost the answer to its
// first request. So the reaction is retry, and a person has to recognise two processes of one name, which fence each other again and
// again.
Result<void> KafkaSource::Parts::check_not_fenced() const {
  if (rd_kafka_fatal_error(fetcher->client().get(), nullptr, 0) != RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) return {};
  return fail(Reaction::retry,
              "Another member has joined the consumer group under the name of this process, {}. If this message "
              "repeats, two processes "
              "have the same name, for example because a running machine was cloned. Give each process its own "
              "state.dir, on its own "
              "system.",
              member);
}

Result<void> KafkaSource::Parts::check_coordinator() const {
  const auto since = assigned ? std::nullopt : fetcher->client().coordinator_away_since();
  if (!since || std::chrono::steady_clock::now() - *since < kKafkaAwayMax) return {};
  return fail(Reaction::retry, "The coordinator of our group could not be reached for {} s. Reported last: {}.",
              kKafkaAwayMax.count(), fetcher->client().last_error());
}

void KafkaSource::Parts::on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& partitions) {
  auto* handle = fetcher->client().get();
  if (leaving) {
    rd_kafka_assign(handle, nullptr);
    return;
  }
  std::vector<Input> inputs;
  for (int i = 0; i < partitions.cnt; ++i) {
    if (const auto input = input_of(fetcher->settings(), partitions.elems[i])) inputs.push_back(*input);
  }
  std::ranges::sort(inputs);
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    auto positions = start_positions(inputs);
    const auto started = positions ? fetcher->assign(std::move(*positions)) : tl::make_unexpected(positions.error());
    assigned = started.has_value();
    fetcher->client().coordinator_answered();
    if (started) return;
    fetcher->fail_with(started.error());
    rd_kafka_assign(handle, nullptr);
    return;
  }
  if (code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    fetcher->fail_with(kafka_error(code, "The group could not assign its partitions", fetcher->client().last_error()));
  } else if (rd_kafka_assignment_lost(handle) != 0) {
    spdlog::warn(
        "kafka: the group has assigned our partitions to other members, because this process was unreachable or did "
        "not poll in time");
  }
  assigned = false;
  left_out.clear();
  // The current poll does not return its records of these partitions, so the listener commits without them.
  if (listener.on_revoked && !inputs.empty()) listener.on_revoked(inputs);
  fetcher->unassign();
}

KafkaSource::KafkaSource(std::shared_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<KafkaSource>> KafkaSource::open(const KafkaSettings& settings, const std::string& group,
                                                       const std::vector<Topic>& topics, const std::string& member,
                                                       ReadOrder order) {
  const auto parts = std::make_shared<Parts>();
  parts->member = member;
  auto role = consumer_role(
      group, order == ReadOrder::by_arrival ? std::min(settings.fetch_kib, kQueueKib) : settings.fetch_kib);
  if (order == ReadOrder::by_arrival) {
    role.defaults.emplace_back("queued.min.messages", std::to_string(kQueueRecords));
    // One fetch request is for all partitions of a broker. While it waits for new records of some, librdkafka cannot fetch those whose
    // queues were full when it was sent.
    role.defaults.emplace_back("fetch.wait.max.ms", "20");
  }
  if (!member.empty()) role.fixed.emplace_back("group.instance.id", member);
  role.on_rebalance = [raw = parts.get()](rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions) {
    raw->on_rebalance(code, *partitions);
  };
  auto client = KafkaClient::open(settings, std::move(role));
  if (!client) return tl::make_unexpected(client.error());
  parts->fetcher = std::make_unique<KafkaFetcher>(settings, *client, order);
  std::unique_ptr<KafkaSource> source(new KafkaSource(parts));

  const auto list = new_list(topics.size());
  for (const auto topic : topics) add(*list, settings, {topic, RD_KAFKA_PARTITION_UA});
  const auto code = rd_kafka_subscribe((*client)->get(), list.get());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return source;
  return tl::make_unexpected(kafka_error(code, fmt::format("The group {} cannot be joined", group)));
}

KafkaSource::~KafkaSource() {
  parts_->leaving = true;
  parts_->fetcher->release();
  // Closing waits for the coordinator. When it does not return in time, its thread keeps what it uses.
  if (!run_within(kKafkaEndWithin, [parts = parts_] { rd_kafka_consumer_close(parts->fetcher->client().get()); })) {
    spdlog::warn("kafka: leaving the group took more than {} s; the broker removes this member when its session ends",
                 kKafkaEndWithin.count());
  }
}

void KafkaSource::listen(Listener listener) {
  parts_->listener = std::move(listener);
}

Result<void> KafkaSource::poll(milliseconds wait, std::vector<InRecord>& records) {
  TRY(parts_->retry_left_out());
  auto polled = parts_->fetcher->poll(wait, records);
  TRY(parts_->check_not_fenced());
  if (polled) TRY(parts_->check_coordinator());
  return polled;
}

Result<std::map<Input, Committed>> KafkaSource::committed(const std::vector<Input>& inputs, milliseconds within) {
  return query_committed(*parts_->fetcher, inputs, within);
}

bool KafkaSource::assigned() const {
  return parts_->assigned && parts_->left_out.empty();
}

void KafkaSource::leave() {
  auto* handle = parts_->fetcher->client().get();
  // A static member leaves the group when it unsubscribes, but not when it is closed (KIP-345). It has left when it has no member id.
  if (rd_kafka_unsubscribe(handle) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const auto left = [&] {
    const std::unique_ptr<char, void (*)(char*)> id(rd_kafka_memberid(handle),
                                                    [](char* text) { rd_kafka_mem_free(nullptr, text); });
    return !id || *id == '\0';
  };
  const auto until = std::chrono::steady_clock::now() + kKafkaLeaveWithin;
  std::vector<InRecord> ignored;
  while (!left() && std::chrono::steady_clock::now() < until) {
    if (!parts_->fetcher->poll(milliseconds(20), ignored)) return;
    ignored.clear();
  }
}

Result<void> KafkaSource::commit(const std::map<Input, Committed>& positions) {
  if (positions.empty()) return {};
  auto& client = parts_->fetcher->client();
  const auto list = new_list(positions.size());
  for (const auto& [input, position] : positions) {
    auto& element = add(*list, parts_->fetcher->settings(), input);
    element.offset = position.offset;
    if (position.metadata.empty()) continue;
    element.metadata = rd_kafka_mem_malloc(nullptr, position.metadata.size());  // librdkafka frees it with the list
    element.metadata_size = position.metadata.size();
    std::memcpy(element.metadata, position.metadata.data(), position.metadata.size());
  }
  // rd_kafka_commit() has no timeout, so the answer comes through a queue.
  const KafkaQueue answers(rd_kafka_queue_new(client.get()));
  auto code = rd_kafka_commit_queue(client.get(), list.get(), answers.get(), nullptr, nullptr);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const KafkaEvent answer(rd_kafka_queue_poll(answers.get(), kAnswerMs));
    code = answer ? rd_kafka_event_error(answer.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (const auto* each = answer ? rd_kafka_event_topic_partition_list(answer.get()) : nullptr; each != nullptr) {
      for (int i = 0; i < each->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) code = each->elems[i].err;
    }
  }
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__NO_OFFSET) return {};
  TRY(parts_->check_not_fenced());
  if (is_rebalance(code)) {
    client.on_error(code, fmt::format("an offset was not committed during a rebalance, the next owner commits: {}",
                                      rd_kafka_err2str(code)));
    return {};
  }
  return tl::make_unexpected(
      kafka_error(code, fmt::format("Offsets were not committed at {}", client.servers()), client.last_error()));
}

Result<std::optional<OffsetRange>> KafkaSource::offset_range(const Input& input) {
  const auto found = query_offset_range(parts_->fetcher->client(), parts_->fetcher->settings(), input);
  if (!found) return tl::make_unexpected(found.error());
  return *found;
}

void KafkaSource::set_paused(const Input& input, bool paused) {
  parts_->fetcher->set_paused(input, paused);
}

std::map<Input, std::int64_t> KafkaSource::lag() const {
  std::map<Input, std::int64_t> lag;
  for (const auto& [input, position] : parts_->fetcher->positions()) {
    OffsetRange range{-1, -1};
    rd_kafka_get_watermark_offsets(parts_->fetcher->client().get(),
                                   topic_name(parts_->fetcher->settings(), input.topic).c_str(), input.partition,
                                   &range.first, &range.end);
    if (range.end < 0 || position.next == kFromEnd) continue;
    lag[input] = position.at_end ? 0 : std::max<std::int64_t>(0, range.end - std::max(position.next, range.first));
  }
  return lag;
}

}  // namespace fiverate
