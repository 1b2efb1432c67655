#include "processors/edge/kafka_fetcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <span>
#include <thread>

#include "schemas/check.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kElectionPause{50};
constexpr std::chrono::seconds kKnownWithin{2};  // every broker knows a new topic after this time

bool is_missing(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

void log_unreadable(std::string_view header, const InRecord& record) {
  static std::atomic<std::int64_t> count = 0;  // a faulty producer writes such a header with every record
  if (const auto n = count++; n < 10 || n % 100'000 == 0) {
    spdlog::warn("kafka: header {} of {} partition {} offset {} is malformed and is ignored", header,
                 name_of(record.input.topic), record.input.partition, record.offset);
  }
}

template <typename T>
void read_into(std::optional<T>& target, std::optional<T> parsed, std::string_view header, const InRecord& record) {
  if (!parsed) log_unreadable(header, record);
  target = std::move(parsed);
}

void read_headers(const rd_kafka_headers_t& headers, InRecord& record) {
  std::optional<CausePosition> previous;
  std::optional<std::uint64_t> chain;
  const char* name_text = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(&headers, i, &name_text, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    const std::string_view name(name_text);
    const std::string_view text(static_cast<const char*>(value), value == nullptr ? 0 : size);
    // Any program writes to source topics. A record that it copied there from an internal topic is a new record, without a cause.
    const bool is_source = std::ranges::find(kSourceTopics, record.input.topic) != kSourceTopics.end();
    if (is_source && name != kArrivalHeader) continue;
    if (name == kCauseHeader) {
      read_into(record.cause, parse_cause(text), name, record);
    } else if (name == kPreviousHeader) {
      read_into(previous, parse_position(text), name, record);
    } else if (name == kChainHeader) {
      read_into(chain, parse_chain(text), name, record);
    } else if (name == kArrivalHeader) {
      record.has_arrival_header = true;
    } else if (name == kDependsOnHeader) {
      std::optional<Cause> cause;
      read_into(cause, parse_cause(text), name, record);
      if (cause) record.depends_on.push_back(std::move(*cause));
    }
  }
  if (previous && chain) {
    record.link = Link{*previous, *chain};
  } else if (previous || chain) {
    log_unreadable(previous ? kChainHeader : kPreviousHeader, record);
  }
}

}  // namespace

std::string named(const KafkaSettings& settings, const Input& input) {
  return fmt::format("{} partition {}", topic_name(settings, input.topic), input.partition);
}

rd_kafka_topic_partition_t& add(rd_kafka_topic_partition_list_t& list, const KafkaSettings& settings,
                                const Input& input) {
  return *rd_kafka_topic_partition_list_add(&list, topic_name(settings, input.topic).c_str(), input.partition);
}

KafkaPartitions new_list(std::size_t size) {
  return KafkaPartitions(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

namespace {

// nullopt: no broker answered.
std::optional<bool> partition_exists(KafkaClient& client, const std::string& topic, std::int32_t partition,
                                     milliseconds within) {
  const rd_kafka_metadata_t* answer = nullptr;
  const auto code = rd_kafka_metadata(client.get(), 1, nullptr, &answer, static_cast<int>(within.count()));
  const KafkaMetadata metadata(answer);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  return std::ranges::any_of(
      std::span(metadata->topics, static_cast<std::size_t>(metadata->topic_cnt)),
      [&](const auto& found) { return found.topic == topic && partition < found.partition_cnt; });
}

}  // namespace

Result<OffsetRange> query_offset_range(KafkaClient& client, const KafkaSettings& settings, const Input& input) {
  OffsetRange range;
  auto code = RD_KAFKA_RESP_ERR_NO_ERROR;
  const auto name = topic_name(settings, input.topic);
  const auto begun = Clock::now();
  const auto left = [&] { return kKafkaAnswerWithin - std::chrono::duration_cast<milliseconds>(Clock::now() - begun); };
  do {
    // The first timeout is long, since a leader may be slow. Later ones are shorter, since there may be another leader.
    const auto within = std::clamp<milliseconds>(left() / 2, kElectionPause, kKafkaAnswerWithin);
    code = rd_kafka_query_watermark_offsets(client.get(), name.c_str(), input.partition, &range.first, &range.end,
                                            static_cast<int>(within.count()));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return range;
    if (kafka_error(code, "").reaction != Reaction::retry) break;
    // librdkafka also reports a partition as unknown while it is new or has no leader, and when no broker answers.
    if (is_missing(code) && Clock::now() - begun > kKnownWithin &&
        partition_exists(client, name, input.partition, left()) == false) {
      return fail(Reaction::stop, "{} does not exist at {}: run `topics create`.", named(settings, input),
                  client.servers());
    }
    std::this_thread::sleep_for(kElectionPause);
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT && left() > kElectionPause) client.refresh_metadata(left() / 2);
  } while (left() > kElectionPause);
  return tl::make_unexpected(kafka_error(code,
                                         fmt::format("The first and last offsets of {} could not be read from {}",
                                                     named(settings, input), client.servers()),
                                         client.last_error()));
}

void Wakeup::notify() {
  const std::lock_guard lock(mutex_);
  notified_ = true;
  changed_.notify_one();
}

void Wakeup::reset() {
  const std::lock_guard lock(mutex_);
  notified_ = false;
}

void Wakeup::wait_until(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return notified_; });
}

void KafkaFetcher::QueueRelease::operator()(rd_kafka_queue_t* queue) const {
  rd_kafka_queue_cb_event_enable(queue, nullptr, nullptr);
  rd_kafka_queue_destroy(queue);
}

Result<void> KafkaFetcher::assign(Positions positions) {
  const auto list = new_list(positions.size());
  for (const auto& [input, position] : positions) add(*list, settings_, input).offset = position.next;
  forget_assignment();
  positions_ = std::move(positions);
  if (order_ == ReadOrder::by_arrival)
    open_queues();  // before the first fetch, so that no record goes to the common queue
  const auto code = rd_kafka_assign(client_->get(), list.get());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  forget_assignment();
  positions_.clear();
  return tl::make_unexpected(kafka_error(code, "The assigned partitions cannot be read", client_->last_error()));
}

void KafkaFetcher::unassign() {
  if (polled_ != nullptr) {
    std::erase_if(*polled_, [&, at = std::size_t{0}](const InRecord& record) mutable {
      return at++ >= polled_from_ && positions_.contains(record.input);
    });
  }
  forget_assignment();
  positions_.clear();
  rd_kafka_assign(client_->get(), nullptr);
}

Result<void> KafkaFetcher::poll(milliseconds wait, std::vector<InRecord>& records) {
  const auto batch = std::make_shared<Batch>(Batch{client_, {}});
  polled_ = &records;
  polled_from_ = records.size();
  const auto timeout = std::max(wait, milliseconds(0));
  if (order_ == ReadOrder::by_arrival) {
    read_by_arrival(timeout, batch, records);
  } else {
    read_as_fetched(timeout, batch, records);
  }
  polled_ = nullptr;
  if (!batch->messages.empty()) client_->broker_answered();
  if (failure_) return tl::make_unexpected(*failure_);
  return check_brokers();
}

void KafkaFetcher::read_as_fetched(milliseconds wait, const std::shared_ptr<Batch>& batch,
                                   std::vector<InRecord>& records) {
  for (auto timeout = wait; !failure_ && batch->messages.size() < kPollRecordsMax; timeout = milliseconds(0)) {
    KafkaMessage message(rd_kafka_consumer_poll(client_->get(), static_cast<int>(timeout.count())));
    if (!message || failure_) break;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (auto handled = on_event(*message); !handled) failure_ = handled.error();
    } else if (auto* position = position_of(*message); position != nullptr) {
      append(std::move(message), *position, batch, records);
    }
  }
}

void KafkaFetcher::read_by_arrival(milliseconds wait, const std::shared_ptr<Batch>& batch,
                                   std::vector<InRecord>& records) {
  const auto until = Clock::now() + wait;
  // The common queue brings rebalances, and errors that belong to no partition.
  for (auto timeout = queues_.empty() ? wait : milliseconds(0); !failure_; timeout = milliseconds(0)) {
    const KafkaMessage message(rd_kafka_consumer_poll(client_->get(), static_cast<int>(timeout.count())));
    if (!message) break;
    if (message->err ==
        RD_KAFKA_RESP_ERR_NO_ERROR) {  // the topic was created anew, and the queue belongs to the old one
      failure_ = Error{Reaction::retry, fmt::format("A record of {} did not come through the queue of its partition.",
                                                    rd_kafka_topic_name(message->rkt))};
    } else if (auto handled = on_event(*message); !handled) {
      failure_ = handled.error();
    }
  }
  while (!failure_) {
    wakeup_.reset();
    for (std::size_t i = 0; i < queues_.size(); ++i) {
      if (!queues_[i].head && !queues_[i].paused) read_head(i);
    }
    while (!failure_ && batch->messages.size() < kPollRecordsMax) {
      const auto number = merge_.next(std::chrono::duration_cast<milliseconds>(Clock::now().time_since_epoch()));
      if (!number) break;
      auto& queue = queues_[*number];
      append(std::move(queue.head), *queue.entry, batch, records);
      if (queue.paused) {
        merge_.set_empty(*number, false);
      } else {
        read_head(*number);
      }
    }
    for (const auto number : merge_.drain_stalled()) {
      spdlog::warn("kafka: {} has more records, but they do not arrive; continuing without waiting for them",
                   named(settings_, queues_[number].entry->first));
    }
    if (!batch->messages.empty() || Clock::now() >= until) break;
    wakeup_.wait_until(until);
  }
}

void KafkaFetcher::set_paused(const Input& input, bool paused) {
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    if (queues_[i].entry->first != input) continue;
    queues_[i].paused = paused;
    if (paused && !queues_[i].head) merge_.set_empty(i, false);
  }
}

void KafkaFetcher::read_head(std::size_t number) {
  auto& queue = queues_[number];
  queue.head.reset();
  while (!failure_) {
    KafkaMessage message(rd_kafka_consume_queue(queue.queue.get(), 0));
    if (!message) return merge_.set_empty(number, has_more(queue));
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) queue.received = queue.at_end = true;
      if (auto handled = on_event(*message); !handled) failure_ = handled.error();
    } else if (message->offset >= queue.entry->second.next) {  // see append()
      queue.received = true;
      queue.at_end = false;
      merge_.set_head(number, rd_kafka_message_timestamp(message.get(), nullptr));
      queue.head = std::move(message);
      return;
    }
  }
}

bool KafkaFetcher::has_more(const PartitionQueue& queue) const {
  if (!queue.received) return true;
  if (queue.at_end) return false;
  const auto& [input, position] = *queue.entry;
  OffsetRange known{-1, -1};
  rd_kafka_get_watermark_offsets(client_->get(), topic_name(settings_, input.topic).c_str(), input.partition,
                                 &known.first, &known.end);
  return position.next < known.end;
}

void KafkaFetcher::open_queues() {
  for (auto& entry : positions_) {
    const auto& input = entry.first;
    auto& queue = queues_.emplace_back();
    queue.entry = &entry;
    queue.queue.reset(
        rd_kafka_queue_get_partition(client_->get(), topic_name(settings_, input.topic).c_str(), input.partition));
    CHECK(queue.queue != nullptr, name_of(input.topic), input.partition);
    rd_kafka_queue_forward(queue.queue.get(), nullptr);
    rd_kafka_queue_cb_event_enable(
        queue.queue.get(), [](rd_kafka_t*, void* wakeup) { static_cast<Wakeup*>(wakeup)->notify(); }, &wakeup_);
  }
  merge_ = ArrivalMerge(queues_.size());
}

void KafkaFetcher::release() {
  queues_.clear();
  merge_ = ArrivalMerge();
}

bool KafkaFetcher::all_done() const {
  return std::ranges::all_of(positions_, [](const auto& entry) { return entry.second.done; });
}

void KafkaFetcher::forget_assignment() {
  known_topics_.clear();
  last_topic_ = {};
  release();
}

KafkaFetcher::Positions::value_type* KafkaFetcher::position_of(const rd_kafka_message_t& message) {
  const auto is = [&](const KnownTopic& known) {
    return known.topic == message.rkt && known.partition == message.partition;
  };
  if (last_topic_.entry != nullptr && is(last_topic_)) return last_topic_.entry;
  auto found = std::ranges::find_if(known_topics_, is);
  if (found == known_topics_.end()) {
    const auto topic = message.rkt != nullptr ? topic_of(settings_, rd_kafka_topic_name(message.rkt)) : std::nullopt;
    if (!topic) return nullptr;
    const auto entry = positions_.find({*topic, message.partition});
    if (entry == positions_.end()) return nullptr;
    found = known_topics_.insert(found, KnownTopic{message.rkt, message.partition, &*entry});
  }
  last_topic_ = *found;
  return last_topic_.entry;
}

void KafkaFetcher::append(KafkaMessage message, Positions::value_type& entry, const std::shared_ptr<Batch>& batch,
                          std::vector<InRecord>& records) {
  auto& [input, position] = entry;
  // After a new assignment librdkafka 2.0.2 may return records from before the assigned offset.
  if (message->offset < position.next) return;
  if (message->offset >= position.end) {
    position.done = true;
    return;
  }
  position.next = message->offset + 1;
  position.at_end = false;
  position.done = position.next >= position.end;

  auto& record = records.emplace_back();
  record.input = input;
  record.offset = message->offset;
  record.timestamp = rd_kafka_message_timestamp(message.get(), nullptr);
  record.key = {static_cast<const char*>(message->key), message->key_len};
  record.value = {static_cast<const char*>(message->payload), message->len};
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message.get(), &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) read_headers(*headers, record);
  record.owner = batch;
  batch->messages.push_back(std::move(message));
}

Result<void> KafkaFetcher::on_event(const rd_kafka_message_t& message) {
  auto* entry = position_of(message);
  const auto code = message.err;
  const auto* reported = rd_kafka_message_errstr(&message);
  if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    client_->broker_answered();
    if (entry != nullptr) entry->second.at_end = true;
    if (entry != nullptr && message.offset >= entry->second.end) entry->second.done = true;
    return {};
  }
  if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
    return entry != nullptr ? position_error(entry->first, entry->second.next, reported) : Result<void>{};
  }
  const auto where = entry != nullptr         ? named(settings_, entry->first)
                     : message.rkt != nullptr ? std::string(rd_kafka_topic_name(message.rkt))
                                              : "the log";
  if (is_missing(code)) {
    return fail(Reaction::retry, "Kafka at {} knows no {} ({}).", client_->servers(), where, reported);
  }
  auto error = kafka_error(code, fmt::format("Reading {} failed", where), reported);
  if (error.reaction == Reaction::stop || code == RD_KAFKA_RESP_ERR__FATAL)
    return tl::make_unexpected(std::move(error));
  client_->on_error(code, reported);  // librdkafka retries by itself
  return {};
}

// librdkafka reports every unusable position as __AUTO_OFFSET_RESET, since auto.offset.reset is `error`; only the text has the cause.
// When a partition gets a new leader epoch, librdkafka requests from the leader where the epoch of the last record read ends (KIP-320, from
// 2.1 on). An end before our position means that an unclean election removed records that were read.
Result<void> KafkaFetcher::position_error(const Input& input, std::int64_t offset, std::string_view reported) {
#if RD_KAFKA_VERSION >= 0x020100ff
  if (reported.find(rd_kafka_err2str(RD_KAFKA_RESP_ERR__LOG_TRUNCATION)) != std::string_view::npos) {
    return fail(Reaction::stop,
                "{} was truncated or created again: records before offset {} that were read already are gone, after an "
                "unclean leader election. Reported by librdkafka: {}. Nothing is skipped.",
                named(settings_, input), offset, reported);
  }
#endif
  const auto range = query_offset_range(*client_, settings_, input);
  if (!range) return tl::make_unexpected(range.error());
  if (offset >= range->first && offset <= range->end) {
    return fail(Reaction::retry, "{} could not be read at offset {}: {}.", named(settings_, input), offset, reported);
  }
  return fail(Reaction::stop,
              "{} is to be read from offset {}, but it holds {} to {} (the last one excluded): {}. Nothing is skipped.",
              named(settings_, input), offset, range->first, range->end,
              offset < range->first ? "its older records were deleted" : "it was truncated or created again");
}

Result<void> KafkaFetcher::check_brokers() const {
  const auto since = client_->away_since();
  if (!since || Clock::now() - *since < kKafkaAwayMax) return {};
  return fail(client_->refused() ? Reaction::stop : Reaction::retry,
              "No Kafka broker could be reached at {} for {} s. Reported last: {}.", client_->servers(),
              kKafkaAwayMax.count(), client_->last_error());
}

}  // namespace fiverate
