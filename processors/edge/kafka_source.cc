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
  bool leaving = false;   // set before another thread closes
  bool assigned = false;  // since the last revocation
  std::vector<Input> left_out;  // of what is assigned, by the listener
  std::chrono::steady_clock::time_point asked{};

  // Notes what the listener leaves out.
  Result<KafkaFetcher::Places> begin(const std::vector<Input>& inputs);
  Result<void> ask_again();
  // Nobody else has come under our name.
  [[nodiscard]] Result<void> is_itself() const;
  // Out of the group, its coordinator has been reached within kKafkaAwayMax.
  [[nodiscard]] Result<void> finds_its_group() const;
  void on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& partitions);
};

namespace {

std::optional<Input> input_of(const KafkaSettings& settings, const rd_kafka_topic_partition_t& partition) {
  const auto topic = topic_of(settings, partition.topic);
  if (!topic) return std::nullopt;
  return Input{*topic, partition.partition};
}

Result<std::map<Input, Committed>> ask_committed(const KafkaFetcher& fetcher, const std::vector<Input>& inputs,
                                                 milliseconds within) {
  const auto list = new_list(inputs.size());
  for (const auto& input : inputs) add(*list, fetcher.settings(), input);
  auto code = rd_kafka_committed(fetcher.client().get(), list.get(), static_cast<int>(within.count()));
  for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) code = list->elems[i].err;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return tl::make_unexpected(kafka_error(
        code, fmt::format("What the group committed is not to be learnt from {}", fetcher.client().servers()),
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

// The group is being shared out anew or no longer counts us in: whoever owns the partition next commits.
bool group_moves(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
         code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST;
}

}  // namespace

Result<KafkaFetcher::Places> KafkaSource::Parts::begin(const std::vector<Input>& inputs) {
  std::map<Input, std::int64_t> offsets;
  if (listener.on_assigned) {
    auto told = listener.on_assigned(inputs);
    if (!told) return tl::make_unexpected(told.error());
    offsets = std::move(*told);
  } else {
    const auto group = ask_committed(*fetcher, inputs, kKafkaAnswerWithin);
    if (!group) return tl::make_unexpected(group.error());
    for (const auto& input : inputs) {
      const auto found = group->find(input);
      offsets[input] = found != group->end() ? found->second.offset : kFromBeginning;
    }
  }
  KafkaFetcher::Places places;
  left_out.clear();
  for (const auto& input : inputs) {
    if (const auto offset = offsets.find(input); offset != offsets.end()) {
      places[input].next = offset->second;
    } else {
      left_out.push_back(input);
    }
  }
  asked = std::chrono::steady_clock::now();
  return places;
}

Result<void> KafkaSource::Parts::ask_again() {
  if (left_out.empty() || std::chrono::steady_clock::now() - asked < kAskAgainEvery) return {};
  auto places = begin(std::vector(left_out));
  if (!places) return tl::make_unexpected(places.error());
  if (places->empty()) return {};
  // Anew, all of them: a group that shares out eagerly lets nothing be added.
  for (const auto& [input, place] : fetcher->places()) places->emplace(input, place);
  return fetcher->assign(std::move(*places));
}

// Whoever comes under a name takes the place of the one before. That may be this very process, whose answer was lost while a broker went
// away; so it begins anew, and only a person can tell two processes with one name, which take turns for ever.
Result<void> KafkaSource::Parts::is_itself() const {
  if (rd_kafka_fatal_error(fetcher->client().get(), nullptr, 0) != RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) return {};
  return fail(
      Reaction::retry,
      "A member has joined the consumer group under our name, {}, and has taken our place. If this goes on, two processes "
      "have one name: was a machine cloned while it ran? Give each its own state.dir, on its own system.",
      member);
}

Result<void> KafkaSource::Parts::finds_its_group() const {
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
    auto places = begin(inputs);
    const auto taken = places ? fetcher->assign(std::move(*places)) : tl::make_unexpected(places.error());
    assigned = taken.has_value();
    fetcher->client().coordinator_answered();
    if (taken) return;
    fetcher->break_with(taken.error());
    rd_kafka_assign(handle, nullptr);
    return;
  }
  if (code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    fetcher->break_with(
        kafka_error(code, "The group could not share out its partitions", fetcher->client().last_error()));
  } else if (rd_kafka_assignment_lost(handle) != 0) {
    spdlog::warn("kafka: the group has given our partitions to others: we were too slow or away");
  }
  assigned = false;
  left_out.clear();
  // Records that are thrown away have not been handed over: the listener commits without them.
  if (listener.on_revoked && !inputs.empty()) listener.on_revoked(inputs);
  fetcher->unassign();
}

KafkaSource::KafkaSource(std::shared_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<KafkaSource>> KafkaSource::open(const KafkaSettings& settings, const std::string& group,
                                                       const std::vector<Topic>& topics, const std::string& member,
                                                       ReadOrder order) {
  const auto parts = std::make_shared<Parts>();
  parts->member = member;
  auto role = consumer_role(group, order == ReadOrder::by_arrival ? std::min(settings.fetch_kib, kLaneKib) : settings.fetch_kib);
  if (order == ReadOrder::by_arrival) {
    role.defaults.emplace_back("queued.min.messages", std::to_string(kLaneRecords));
    // A fetch is one for all partitions of a broker: while it waits for news of those that are read to the end, those
    // whose queue was full cannot be fetched.
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
  // close() of librdkafka 2.0.2 may never return; then it keeps what it needs.
  if (!run_within(kKafkaEndWithin, [parts = parts_] { rd_kafka_consumer_close(parts->fetcher->client().get()); })) {
    spdlog::warn("kafka: leaving the group took more than {} s; the broker will notice", kKafkaEndWithin.count());
  }
}

void KafkaSource::listen(Listener listener) {
  parts_->listener = std::move(listener);
}

Result<void> KafkaSource::poll(milliseconds wait, std::vector<InRecord>& records) {
  TRY(parts_->ask_again());
  auto polled = parts_->fetcher->poll(wait, records);
  TRY(parts_->is_itself());
  if (polled) TRY(parts_->finds_its_group());
  return polled;
}

Result<std::map<Input, Committed>> KafkaSource::committed(const std::vector<Input>& inputs, milliseconds within) {
  return ask_committed(*parts_->fetcher, inputs, within);
}

bool KafkaSource::assigned() const {
  return parts_->assigned && parts_->left_out.empty();
}

void KafkaSource::leave() {
  auto* handle = parts_->fetcher->client().get();
  // An unsubscribing member says goodbye also if it has a name; one that is only closed does not (KIP-345). It has left when it has
  // forgotten the id that the group gave it.
  if (rd_kafka_unsubscribe(handle) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const auto left = [&] {
    const std::unique_ptr<char, void (*)(char*)> id(rd_kafka_memberid(handle), [](char* text) { rd_kafka_mem_free(nullptr, text); });
    return !id || *id == '\0';
  };
  const auto until = std::chrono::steady_clock::now() + kKafkaLeaveWithin;
  std::vector<InRecord> unwanted;
  while (!left() && std::chrono::steady_clock::now() < until) {
    if (!parts_->fetcher->poll(milliseconds(20), unwanted)) return;
    unwanted.clear();
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
  // Through a queue of its own, for rd_kafka_commit() waits without bound.
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
  TRY(parts_->is_itself());
  if (group_moves(code)) {
    client.heard(code, fmt::format("a position was not committed, its next owner will: {}", rd_kafka_err2str(code)));
    return {};
  }
  return tl::make_unexpected(
      kafka_error(code, fmt::format("Positions were not committed at {}", client.servers()), client.last_error()));
}

Result<std::optional<OffsetRange>> KafkaSource::offset_range(const Input& input) {
  const auto found = query_extent(parts_->fetcher->client(), parts_->fetcher->settings(), input);
  if (!found) return tl::make_unexpected(found.error());
  return *found;
}

std::map<Input, std::int64_t> KafkaSource::lag() const {
  std::map<Input, std::int64_t> lag;
  for (const auto& [input, place] : parts_->fetcher->places()) {
    OffsetRange span{-1, -1};
    rd_kafka_get_watermark_offsets(parts_->fetcher->client().get(),
                                   topic_name(parts_->fetcher->settings(), input.topic).c_str(), input.partition,
                                   &span.first, &span.end);
    if (span.end < 0 || place.next == kFromEnd) continue;
    lag[input] = place.ended ? 0 : std::max<std::int64_t>(0, span.end - std::max(place.next, span.first));
  }
  return lag;
}

}  // namespace fiverate
