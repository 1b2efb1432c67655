#include "processors/edge/kafka_fetcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>

#include "processors/edge/kafka_offsets.h"
#include "schemas/check.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

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
    if (is_source && name != kArrivalHeader && name != kImportHeader) continue;
    if (name == kCauseHeader) {
      read_into(record.cause, parse_cause(text), name, record);
    } else if (name == kPreviousHeader) {
      read_into(previous, parse_position(text), name, record);
    } else if (name == kChainHeader) {
      read_into(chain, parse_chain(text), name, record);
    } else if (name == kArrivalHeader) {
      record.has_arrival_header = true;
    } else if (name == kImportHeader) {
      read_into(record.import, parse_import_position(text), name, record);
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
  std::map<Input, Committed> begin;
  for (const auto& [input, position] : positions) begin[input].offset = position.next;
  const auto list = partition_list(settings(), begin);
  forget_assignment();
  positions_ = std::move(positions);
  if (order_ == ReadOrder::by_arrival)
    open_queues();  // before the first fetch, so that no record goes to the common queue
  const auto code = rd_kafka_assign(client_->get(), list.get());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  forget_assignment();
  positions_.clear();
  return client_->failed(code, "The assigned partitions cannot be read");
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
  batch_ = std::make_shared<Batch>(Batch{client_, {}});
  polled_ = &records;
  polled_from_ = records.size();
  const auto timeout = std::max(wait, milliseconds(0));
  order_ == ReadOrder::by_arrival ? read_by_arrival(timeout) : read_as_fetched(timeout);
  polled_ = nullptr;
  const bool has_answer = !std::exchange(batch_, nullptr)->messages.empty();
  if (has_answer) client_->broker_answered();
  if (failure_) return tl::make_unexpected(*failure_);
  return client_->check_reachable();
}

void KafkaFetcher::read_as_fetched(milliseconds wait) {
  for (auto timeout = wait; !failure_ && batch_->messages.size() < kPollRecordsMax; timeout = milliseconds(0)) {
    KafkaMessage message(rd_kafka_consumer_poll(client_->get(), static_cast<int>(timeout.count())));
    if (!message || failure_) break;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      on_event(*message);
    } else if (auto* position = position_of(*message); position != nullptr) {
      append(std::move(message), *position);
    }
  }
}

void KafkaFetcher::read_by_arrival(milliseconds wait) {
  const auto until = Clock::now() + wait;
  // The common queue brings rebalances, and errors that belong to no partition.
  for (auto timeout = queues_.empty() ? wait : milliseconds(0); !failure_; timeout = milliseconds(0)) {
    const KafkaMessage message(rd_kafka_consumer_poll(client_->get(), static_cast<int>(timeout.count())));
    if (!message) break;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      on_event(*message);
    } else {  // the topic was created anew, and the queue belongs to the old one
      failure_ = Error{Reaction::retry, fmt::format("A record of {} did not come through the queue of its partition.",
                                                    rd_kafka_topic_name(message->rkt))};
    }
  }
  while (!failure_) {
    wakeup_.reset();
    for (std::size_t i = 0; i < queues_.size(); ++i) {
      if (!queues_[i].head && !queues_[i].paused) read_head(i);
    }
    while (!failure_ && batch_->messages.size() < kPollRecordsMax) {
      const auto number = merge_.next(std::chrono::duration_cast<milliseconds>(Clock::now().time_since_epoch()));
      if (!number) break;
      auto& queue = queues_[*number];
      append(std::move(queue.head), *queue.entry);
      if (queue.paused) {
        merge_.set_empty(*number, false);
      } else {
        read_head(*number);
      }
    }
    for (const auto number : merge_.drain_stalled()) {
      spdlog::warn("kafka: {} has more records, but they do not arrive; continuing without waiting for them",
                   client_->name(queues_[number].entry->first));
    }
    if (!batch_->messages.empty() || Clock::now() >= until) break;
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
    queue.received = true;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      on_event(*message);
    } else if (message->offset >= queue.entry->second.next) {  // see append()
      queue.entry->second.at_end = false;
      merge_.set_head(number, rd_kafka_message_timestamp(message.get(), nullptr));
      queue.head = std::move(message);
      return;
    }
  }
}

bool KafkaFetcher::has_more(const PartitionQueue& queue) const {
  const auto& [input, position] = *queue.entry;
  return !queue.received || (!position.at_end && position.next < known_range(input).end);
}

OffsetRange KafkaFetcher::known_range(const Input& input) const {
  OffsetRange known{-1, -1};
  rd_kafka_get_watermark_offsets(client_->get(), topic_name(settings(), input.topic).c_str(), input.partition,
                                 &known.first, &known.end);
  return known;
}

void KafkaFetcher::open_queues() {
  for (auto& entry : positions_) {
    const auto& input = entry.first;
    auto& queue = queues_.emplace_back();
    queue.entry = &entry;
    queue.queue.reset(
        rd_kafka_queue_get_partition(client_->get(), topic_name(settings(), input.topic).c_str(), input.partition));
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
  return std::ranges::all_of(positions_, [](const auto& entry) { return entry.second.next >= entry.second.end; });
}

void KafkaFetcher::forget_assignment() {
  last_ = {};
  release();
}

KafkaFetcher::Positions::value_type* KafkaFetcher::position_of(const rd_kafka_message_t& message) {
  if (message.rkt == nullptr) return nullptr;
  if (last_.topic != message.rkt || last_.partition != message.partition) {
    const auto topic = topic_of(settings(), rd_kafka_topic_name(message.rkt));
    const auto entry = topic ? positions_.find({*topic, message.partition}) : positions_.end();
    if (entry == positions_.end()) return nullptr;
    last_ = {message.rkt, message.partition, &*entry};
  }
  return last_.entry;
}

void KafkaFetcher::append(KafkaMessage message, Positions::value_type& entry) {
  auto& [input, position] = entry;
  // After a new assignment librdkafka 2.0.2 may return records from before the assigned offset.
  if (message->offset < position.next) return;
  position.next = message->offset + 1;
  position.at_end = false;
  if (message->offset >= position.end) return;

  auto& record = polled_->emplace_back();
  record.input = input;
  record.offset = message->offset;
  record.timestamp = rd_kafka_message_timestamp(message.get(), nullptr);
  record.key = {static_cast<const char*>(message->key), message->key_len};
  record.value = {static_cast<const char*>(message->payload), message->len};
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message.get(), &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) read_headers(*headers, record);
  record.owner = batch_;
  batch_->messages.push_back(std::move(message));
}

void KafkaFetcher::on_event(const rd_kafka_message_t& message) {
  auto* entry = position_of(message);
  const auto code = message.err;
  const auto* reported = rd_kafka_message_errstr(&message);
  if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    client_->broker_answered();
    if (entry == nullptr) return;
    entry->second.at_end = true;
    if (message.offset >= entry->second.end) entry->second.next = entry->second.end;  // after markers of transactions
    return;
  }
  if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
    if (entry != nullptr) failure_ = position_error(entry->first, entry->second.next, reported);
    return;
  }
  const auto where = entry != nullptr         ? client_->name(entry->first)
                     : message.rkt != nullptr ? std::string(rd_kafka_topic_name(message.rkt))
                                              : "the log";
  if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
      code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
    failure_ =
        Error{Reaction::retry, fmt::format("Kafka at {} knows no {} ({}).", client_->servers(), where, reported)};
    return;
  }
  auto error = client_->failed(code, fmt::format("Reading {} failed", where), reported).value();
  if (error.reaction == Reaction::stop || code == RD_KAFKA_RESP_ERR__FATAL) {
    failure_ = std::move(error);
  } else {
    client_->on_error(code, reported);  // librdkafka retries by itself
  }
}

// librdkafka reports every unusable position as __AUTO_OFFSET_RESET, since auto.offset.reset is `error`; only the text has the cause.
// When a partition gets a new leader epoch, librdkafka requests from the leader where the epoch of the last record read ends (KIP-320, from
// 2.1 on). An end before our position means that an unclean election removed records that were read.
Error KafkaFetcher::position_error(const Input& input, std::int64_t offset, std::string_view reported) {
  const auto name = client_->name(input);
#if RD_KAFKA_VERSION >= 0x020100ff
  if (reported.find(rd_kafka_err2str(RD_KAFKA_RESP_ERR__LOG_TRUNCATION)) != std::string_view::npos) {
    return {Reaction::stop,
            fmt::format("{} was truncated or created again: records before offset {} that were read already are gone, "
                        "after an unclean leader election. Reported by librdkafka: {}. Nothing is skipped.",
                        name, offset, reported)};
  }
#endif
  const auto range = query_offset_range(*client_, input);
  if (!range) return range.error();
  if (offset >= range->first && offset <= range->end) {
    return {Reaction::retry, fmt::format("{} could not be read at offset {}: {}.", name, offset, reported)};
  }
  return outside_log(name, offset, *range);
}

}  // namespace fiverate
