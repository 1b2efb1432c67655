#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <span>

#include "processors/edge/kafka_fetcher.h"
#include "processors/edge/kafka_offsets.h"

namespace fiverate {

using std::chrono::milliseconds;

Result<std::unique_ptr<KafkaSource>> KafkaSource::open(KafkaSettings settings, const std::string& group,
                                                       const std::vector<Input>& inputs, const std::string& member,
                                                       ReadOrder order) {
  if (order == ReadOrder::by_arrival) settings.fetch_kib = std::min(settings.fetch_kib, kQueueKib);
  auto role = consumer_role(settings, group);
  if (order == ReadOrder::by_arrival) {
    role.defaults.emplace_back("queued.min.messages", std::to_string(kQueueRecords));
    // One fetch request is for all partitions of a broker. While it waits for new records of some, librdkafka cannot fetch those whose
    // queues were full when it was sent.
    role.defaults.emplace_back("fetch.wait.max.ms", "20");
  }
  if (!member.empty()) role.fixed.emplace_back("group.instance.id", member);
  std::unique_ptr<KafkaSource> source(new KafkaSource(member, inputs));
  role.on_rebalance = [self = source.get()](auto code, const auto& partitions) {
    self->on_rebalance(code, partitions);
  };
  TRY_VALUE(client, KafkaClient::open(settings, std::move(role)));
  source->fetcher_ = std::make_unique<KafkaFetcher>(client, order);

  std::map<Input, Committed> subscribed;
  for (const auto& input : inputs) {
    if (!subscribed.try_emplace({input.topic, RD_KAFKA_PARTITION_UA}).second) continue;
    source->topics_[input.topic].reset(
        rd_kafka_topic_new(client->get(), topic_name(settings, input.topic).c_str(), nullptr));
  }
  const auto code = rd_kafka_subscribe(client->get(), partition_list(settings, subscribed).get());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return source;
  return client->failed(code, fmt::format("The group {} cannot be joined", group));
}

KafkaSource::KafkaSource(std::string member, const std::vector<Input>& inputs)
    : member_(std::move(member)), inputs_(inputs.begin(), inputs.end()) {}

KafkaSource::~KafkaSource() {
  if (!fetcher_) return;
  auto& client = fetcher_->client();
  client.replace_on_rebalance(
      [handle = client.get()](auto, const auto&) { rd_kafka_assign(handle, nullptr); });  // without the listener
  fetcher_->release();
  // Closing waits for the coordinator. When it does not return in time, its thread keeps what it uses.
  if (!run_within(kKafkaEndWithin, [owned = fetcher_->shared_client()] { rd_kafka_consumer_close(owned->get()); })) {
    spdlog::warn("kafka: leaving the group took more than {} s; the broker removes this member when its session ends",
                 kKafkaEndWithin.count());
  }
}

Result<void> KafkaSource::assign(const std::vector<Input>& inputs, bool is_retry) {
  TRY_VALUE(offsets, listener_.on_assigned(inputs));
  assigned_at_ = KafkaClient::Clock::now();
  left_out_.clear();
  std::ranges::copy_if(inputs, std::back_inserter(left_out_),
                       [&](const auto& input) { return !offsets.contains(input); });
  KafkaFetcher::Positions positions;
  if (is_retry) {
    if (offsets.empty()) return {};
    positions = fetcher_->positions();  // with eager rebalancing an assignment can only be replaced as a whole
  }
  for (const auto& [input, offset] : offsets) positions[input].next = offset;
  return fetcher_->assign(std::move(positions));
}

// A member that joins under a name fences the one before it. That one may be this process itself, if a broker lost the answer to its
// first request. So the reaction is retry, and a person has to recognise two processes of one name, which fence each other repeatedly.
Result<void> KafkaSource::check_not_fenced() const {
  if (rd_kafka_fatal_error(fetcher_->client().get(), nullptr, 0) != RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) return {};
  return fail(Reaction::retry,
              "Another member has joined the consumer group under the name of this process, {}. If this message "
              "repeats, two processes have the same name, for example because a running machine was cloned. Give each "
              "process its own state.dir, on its own system.",
              member_);
}

void KafkaSource::keep_inputs(std::vector<Input>& assigned) {
  std::erase_if(assigned, [this](const Input& input) {
    if (inputs_.contains(input)) return false;
    if (ignored_.insert(input).second) {
      spdlog::warn("{} is not part of the definition of this market: it is not read", fetcher_->client().name(input));
    }
    return true;
  });
}

void KafkaSource::on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& partitions) {
  auto& client = fetcher_->client();
  std::vector<Input> inputs;
  for (const auto& partition : std::span(partitions.elems, static_cast<std::size_t>(partitions.cnt))) {
    if (const auto topic = topic_of(client.settings(), partition.topic))
      inputs.push_back({*topic, partition.partition});
  }
  std::ranges::sort(inputs);
  keep_inputs(inputs);
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    const auto started = assign(inputs, false);
    assigned_ = started.has_value();
    client.coordinator_answered();
    if (started) return;
    fetcher_->fail_with(started.error());
    rd_kafka_assign(client.get(), nullptr);
    return;
  }
  if (code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    fetcher_->fail_with(client.failed(code, "The group could not assign its partitions").value());
  } else if (rd_kafka_assignment_lost(client.get()) != 0) {
    spdlog::warn(
        "kafka: the group has assigned our partitions to other members, because this process was unreachable or did "
        "not poll in time");
  }
  assigned_ = false;
  left_out_.clear();
  // The current poll does not return its records of these partitions, so the listener commits without them.
  if (listener_.on_revoked && !inputs.empty()) listener_.on_revoked(inputs);
  fetcher_->unassign();
}

Result<void> KafkaSource::poll(milliseconds wait, std::vector<InRecord>& records) {
  if (!left_out_.empty() && KafkaClient::Clock::now() - assigned_at_ >= kRetryLeftOutEvery) {
    TRY(assign(std::vector(left_out_), true));
  }
  const auto polled = fetcher_->poll(wait, records);
  TRY(check_not_fenced());
  TRY(polled);
  return assigned_ ? Result<void>{} : fetcher_->client().check_coordinator();
}

Result<std::map<Input, Committed>> KafkaSource::committed(const std::vector<Input>& inputs, milliseconds within) {
  return query_committed(fetcher_->client(), inputs, within);
}

void KafkaSource::leave() {
  auto* handle = fetcher_->client().get();
  // A static member leaves the group when it unsubscribes, but not when it is closed (KIP-345). It has left when it has no member id.
  if (rd_kafka_unsubscribe(handle) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const auto left = [&] {
    const std::unique_ptr<char, void (*)(char*)> id(rd_kafka_memberid(handle),
                                                    [](char* text) { rd_kafka_mem_free(nullptr, text); });
    return !id || *id == '\0';
  };
  const auto until = KafkaClient::Clock::now() + kKafkaLeaveWithin;
  std::vector<InRecord> ignored;
  while (!left() && KafkaClient::Clock::now() < until && fetcher_->poll(milliseconds(20), ignored)) ignored.clear();
}

Result<void> KafkaSource::commit(const std::map<Input, Committed>& positions) {
  if (positions.empty()) return {};
  auto& client = fetcher_->client();
  const auto list = partition_list(client.settings(), positions);
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
  TRY(check_not_fenced());
  if (code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
      code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST) {
    client.on_error(code, fmt::format("an offset was not committed during a rebalance, the next owner commits: {}",
                                      rd_kafka_err2str(code)));
    return {};
  }
  return client.failed(code, "Offsets were not committed");
}

Result<std::optional<OffsetRange>> KafkaSource::offset_range(const Input& input) {
  return query_offset_range(fetcher_->client(), input);
}

Result<std::map<Topic, std::int32_t>> KafkaSource::partition_counts(milliseconds within) {
  auto& client = fetcher_->client();
  std::map<Topic, std::int32_t> counts;
  for (const auto& [topic, handle] : topics_) {
    const auto metadata = client.metadata(within, false, handle.get());
    if (!metadata) {
      return client.failed(metadata.error(),
                           fmt::format("The partitions of {} cannot be counted", topic_name(client.settings(), topic)));
    }
    for (int i = 0; i < (*metadata)->topic_cnt; ++i) counts[topic] = (*metadata)->topics[i].partition_cnt;
  }
  return counts;
}

void KafkaSource::set_paused(const Input& input, bool paused) {
  fetcher_->set_paused(input, paused);
}

std::map<Input, std::int64_t> KafkaSource::lag() const {
  std::map<Input, std::int64_t> lag;
  for (const auto& [input, position] : fetcher_->positions()) {
    const auto range = fetcher_->known_range(input);
    if (range.end < 0) continue;
    lag[input] = position.at_end ? 0 : std::max<std::int64_t>(0, range.end - std::max(position.next, range.first));
  }
  return lag;
}

}  // namespace fiverate
