#include "processors/edge/kafka_fetcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <thread>

#include "schemas/check.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kElectionNap{50};
constexpr std::chrono::seconds kKnownWithin{2};  // a topic just made is known everywhere

// "7", "-1": views into librdkafka's memory, not closed by a zero.
std::optional<Millis> parse_millis(std::string_view text) {
  Millis value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_missing(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
         code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

void unreadable(std::string_view header, const InRecord& record) {
  static std::atomic<std::int64_t> count = 0;  // a producer that does it does it with every record
  if (const auto n = count++; n < 10 || n % 100'000 == 0) {
    spdlog::warn("kafka: header {} of {} partition {} offset {} cannot be read and counts as absent", header,
                 name_of(record.input.topic), record.input.partition, record.offset);
  }
}

template <typename T>
void read_into(std::optional<T>& target, std::optional<T> parsed, std::string_view header, const InRecord& record) {
  if (!parsed) unreadable(header, record);
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
    // On a source record anybody may have put them: what was copied from one of our topics is a record like any other.
    const bool ours = std::ranges::find(kSourceTopics, record.input.topic) == kSourceTopics.end();
    if (!ours && name != kArrivalHeader) continue;
    if (name == kCauseHeader) {
      read_into(record.cause, parse_cause(text), name, record);
    } else if (name == kPreviousHeader) {
      read_into(previous, parse_position(text), name, record);
    } else if (name == kChainHeader) {
      read_into(chain, parse_chain(text), name, record);
    } else if (name == kArrivalHeader) {
      read_into(record.arrival, parse_millis(text), name, record);
    } else if (name == kDependsOnHeader) {
      std::optional<Cause> cause;
      read_into(cause, parse_cause(text), name, record);
      if (cause) record.depends_on.push_back(std::move(*cause));
    }
  }
  if (previous && chain) {
    record.link = Link{*previous, *chain};
  } else if (previous || chain) {
    unreadable(previous ? kChainHeader : kPreviousHeader, record);
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

// One end of a partition; which: RD_KAFKA_OFFSET_BEGINNING or RD_KAFKA_OFFSET_END. As the offset of a "time", for
// rd_kafka_query_watermark_offsets() of librdkafka before 2.3 heeds no timeout: it asks a leader that has died until that
// comes back, though another one leads long since (its issue 2588).
rd_kafka_resp_err_t query_offset(KafkaClient& client, const KafkaSettings& settings, const Input& input,
                                 std::int64_t which, milliseconds within, std::int64_t& found) {
  const auto list = new_list(1);
  auto& element = add(*list, settings, input);
  element.offset = which;
  const auto code = rd_kafka_offsets_for_times(client.get(), list.get(), static_cast<int>(within.count()));
  found = element.offset;
  return code != RD_KAFKA_RESP_ERR_NO_ERROR ? code : element.err;
}

}  // namespace

Result<OffsetRange> query_extent(KafkaClient& client, const KafkaSettings& settings, const Input& input) {
  OffsetRange span;
  auto code = RD_KAFKA_RESP_ERR_NO_ERROR;
  // A topic just made, or one whose leader is just being elected, is refused for a moment by the broker that will lead
  // it.
  const auto begun = Clock::now();
  const auto left = [&] {
    return kKafkaAnswerWithin - std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
  };
  do {
    // First with patience, for the leader may be slow; then more often, for it may be another one.
    const auto within = std::clamp<milliseconds>(left() / 2, kElectionNap, kKafkaAnswerWithin);
    code = query_offset(client, settings, input, RD_KAFKA_OFFSET_BEGINNING, within, span.first);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      code = query_offset(client, settings, input, RD_KAFKA_OFFSET_END, within, span.end);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return span;
    if (kafka_error(code, "").reaction != Reaction::retry) break;
    std::this_thread::sleep_for(kElectionNap);
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT && left() > kElectionNap) client.look_around(left() / 2);
  } while (Clock::now() - begun <
           (is_missing(code) ? milliseconds(kKnownWithin) : milliseconds(kKafkaAnswerWithin) - kElectionNap));
  if (is_missing(code)) {
    // The library says so as well when the broker went away before it could be asked: let one say it.
    const rd_kafka_metadata_t* metadata = nullptr;
    code = rd_kafka_metadata(client.get(), 0, nullptr, &metadata, static_cast<int>(milliseconds(kKafkaAnswerWithin).count()));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      rd_kafka_metadata_destroy(metadata);
      return fail(Reaction::stop, "{} is not there at {}: run `topics create`.", named(settings, input),
                  client.servers());
    }
  }
  return tl::make_unexpected(kafka_error(
      code,
      fmt::format("Where {} begins and ends is not to be learnt from {}", named(settings, input), client.servers()),
      client.last_error()));
}

void KafkaBell::ring() {
  const std::lock_guard lock(mutex_);
  ringing_ = true;
  rang_.notify_one();
}

void KafkaBell::mute() {
  const std::lock_guard lock(mutex_);
  ringing_ = false;
}

void KafkaBell::wait_until(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  rang_.wait_until(lock, deadline, [&] { return ringing_; });
}

void KafkaFetcher::QueueRelease::operator()(rd_kafka_queue_t* queue) const {
  rd_kafka_queue_cb_event_enable(queue, nullptr, nullptr);
  rd_kafka_queue_destroy(queue);
}

Result<void> KafkaFetcher::assign(Places places) {
  const auto list = new_list(places.size());
  for (const auto& [input, place] : places) add(*list, settings_, input).offset = place.next;
  forget();
  places_ = std::move(places);
  if (order_ == ReadOrder::by_arrival) open_lanes();  // before the first fetch: nothing goes to the consumer's queue
  const auto code = rd_kafka_assign(client_->get(), list.get());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  forget();
  places_.clear();
  return tl::make_unexpected(kafka_error(code, "The assigned partitions cannot be taken over", client_->last_error()));
}

void KafkaFetcher::unassign() {
  if (taking_ != nullptr) {
    std::erase_if(*taking_, [&, at = std::size_t{0}](const InRecord& record) mutable {
      return at++ >= taking_from_ && places_.contains(record.input);
    });
  }
  forget();
  places_.clear();
  rd_kafka_assign(client_->get(), nullptr);
}

Result<void> KafkaFetcher::poll(milliseconds wait, std::vector<InRecord>& records) {
  const auto batch = std::make_shared<Batch>(Batch{client_, {}});
  taking_ = &records;
  taking_from_ = records.size();
  const auto timeout = std::max(wait, milliseconds(0));
  if (order_ == ReadOrder::by_arrival) {
    read_by_arrival(timeout, batch, records);
  } else {
    read_as_fetched(timeout, batch, records);
  }
  taking_ = nullptr;
  if (!batch->messages.empty()) client_->broker_answered();
  if (broken_) return tl::make_unexpected(*broken_);
  return notice_absence();
}

void KafkaFetcher::read_as_fetched(milliseconds wait, const std::shared_ptr<Batch>& batch,
                                   std::vector<InRecord>& records) {
  for (auto timeout = wait; !broken_ && batch->messages.size() < kPollRecordsMax; timeout = milliseconds(0)) {
    KafkaMessage message(rd_kafka_consumer_poll(client_->get(), static_cast<int>(timeout.count())));
    if (!message || broken_) break;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (auto handled = other_than_record(*message); !handled) broken_ = handled.error();
    } else if (auto* place = place_of(*message); place != nullptr) {
      take(std::move(message), *place, batch, records);
    }
  }
}

void KafkaFetcher::read_by_arrival(milliseconds wait, const std::shared_ptr<Batch>& batch,
                                   std::vector<InRecord>& records) {
  const auto until = Clock::now() + wait;
  // The consumer's queue: rebalances, and errors that are of no partition.
  for (auto timeout = lanes_.empty() ? wait : milliseconds(0); !broken_; timeout = milliseconds(0)) {
    const KafkaMessage message(rd_kafka_consumer_poll(client_->get(), static_cast<int>(timeout.count())));
    if (!message) break;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {  // librdkafka knows the topic anew: the lane is of the old one
      broken_ = Error{Reaction::retry, fmt::format("A record of {} came beside its queue.", rd_kafka_topic_name(message->rkt))};
    } else if (auto handled = other_than_record(*message); !handled) {
      broken_ = handled.error();
    }
  }
  while (!broken_) {
    bell_.mute();
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if (!lanes_[i].head) look_into(i);
    }
    while (!broken_ && batch->messages.size() < kPollRecordsMax) {
      const auto number = merge_.next(std::chrono::duration_cast<milliseconds>(Clock::now().time_since_epoch()));
      if (!number) break;
      auto& lane = lanes_[*number];
      take(std::move(lane.head), *lane.entry, batch, records);
      look_into(*number);
    }
    for (const auto number : merge_.take_left_behind()) {
      spdlog::warn("kafka: more of {} is known to be there and does not come; reading on without it",
                   named(settings_, lanes_[number].entry->first));
    }
    if (!batch->messages.empty() || Clock::now() >= until) break;
    bell_.wait_until(until);
  }
}

// Fetches its next record out of its queue, if it is there.
void KafkaFetcher::look_into(std::size_t number) {
  auto& lane = lanes_[number];
  lane.head.reset();
  while (!broken_) {
    KafkaMessage message(rd_kafka_consume_queue(lane.queue.get(), 0));
    if (!message) return merge_.is_empty(number, has_more(lane));
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) lane.heard = lane.ended = true;
      if (auto handled = other_than_record(*message); !handled) broken_ = handled.error();
    } else if (message->offset >= lane.entry->second.next) {  // see take()
      lane.heard = true;
      lane.ended = false;
      merge_.offers(number, rd_kafka_message_timestamp(message.get(), nullptr));
      lane.head = std::move(message);
      return;
    }
  }
}

bool KafkaFetcher::has_more(const Lane& lane) const {
  if (!lane.heard || lane.ended) return !lane.heard;
  const auto& [input, place] = *lane.entry;
  OffsetRange known{-1, -1};
  rd_kafka_get_watermark_offsets(client_->get(), topic_name(settings_, input.topic).c_str(), input.partition,
                                 &known.first, &known.end);
  return place.next < known.end;
}

void KafkaFetcher::open_lanes() {
  for (auto& entry : places_) {
    const auto& input = entry.first;
    auto& lane = lanes_.emplace_back();
    lane.entry = &entry;
    lane.queue.reset(
        rd_kafka_queue_get_partition(client_->get(), topic_name(settings_, input.topic).c_str(), input.partition));
    CHECK(lane.queue != nullptr, name_of(input.topic), input.partition);
    rd_kafka_queue_forward(lane.queue.get(), nullptr);
    rd_kafka_queue_cb_event_enable(
        lane.queue.get(), [](rd_kafka_t*, void* bell) { static_cast<KafkaBell*>(bell)->ring(); }, &bell_);
  }
  merge_ = ArrivalMerge(lanes_.size());
}

void KafkaFetcher::release() {
  lanes_.clear();
  merge_ = ArrivalMerge();
}

bool KafkaFetcher::all_done() const {
  return std::ranges::all_of(places_, [](const auto& entry) { return entry.second.done; });
}

void KafkaFetcher::forget() {
  known_.clear();
  last_ = {};
  release();
}

// Nothing for a partition that is not ours (any more).
KafkaFetcher::Places::value_type* KafkaFetcher::place_of(const rd_kafka_message_t& message) {
  const auto is = [&](const Known& known) {
    return known.topic == message.rkt && known.partition == message.partition;
  };
  if (last_.entry != nullptr && is(last_)) return last_.entry;
  auto found = std::ranges::find_if(known_, is);
  if (found == known_.end()) {
    const auto topic = message.rkt != nullptr ? topic_of(settings_, rd_kafka_topic_name(message.rkt)) : std::nullopt;
    if (!topic) return nullptr;
    const auto entry = places_.find({*topic, message.partition});
    if (entry == places_.end()) return nullptr;
    found = known_.insert(found, Known{message.rkt, message.partition, &*entry});
  }
  last_ = *found;
  return last_.entry;
}

void KafkaFetcher::take(KafkaMessage message, Places::value_type& entry, const std::shared_ptr<Batch>& batch,
                        std::vector<InRecord>& records) {
  auto& [input, place] = entry;
  // librdkafka 2.0.2 may begin at an older position after a new assignment: what has been read is not read again.
  if (message->offset < place.next) return;
  if (message->offset >= place.end) {
    place.done = true;
    return;
  }
  place.next = message->offset + 1;
  place.ended = false;
  place.done = place.next >= place.end;

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

Result<void> KafkaFetcher::other_than_record(const rd_kafka_message_t& message) {
  auto* entry = place_of(message);
  const auto code = message.err;
  const auto* said = rd_kafka_message_errstr(&message);
  if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    client_->broker_answered();
    if (entry != nullptr) entry->second.ended = true;
    if (entry != nullptr && message.offset >= entry->second.end) entry->second.done = true;
    return {};
  }
  if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
    return entry != nullptr ? not_in_log(entry->first, entry->second.next, said) : Result<void>{};
  }
  const auto where = entry != nullptr         ? named(settings_, entry->first)
                     : message.rkt != nullptr ? std::string(rd_kafka_topic_name(message.rkt))
                                              : "the log";
  if (is_missing(code)) {
    return fail(Reaction::retry, "Kafka at {} knows no {} ({}).", client_->servers(), where, said);
  }
  auto error = kafka_error(code, fmt::format("Reading {} failed", where), said);
  if (error.reaction == Reaction::stop || code == RD_KAFKA_RESP_ERR__FATAL)
    return tl::make_unexpected(std::move(error));
  client_->heard(code, said);  // librdkafka goes on trying
  return {};
}

Result<void> KafkaFetcher::not_in_log(const Input& input, std::int64_t offset, const char* said) {
  const auto span = query_extent(*client_, settings_, input);
  if (!span) return tl::make_unexpected(span.error());
  if (offset >= span->first && offset <= span->end) {
    return fail(Reaction::retry, "{} could not be read at offset {}: {}.", named(settings_, input), offset, said);
  }
  return fail(Reaction::stop,
              "{} is to be read from offset {}, but it holds {} to {} (the last one excluded): {}. Nothing is skipped.",
              named(settings_, input), offset, span->first, span->end,
              offset < span->first ? "its older records were deleted" : "it was truncated or made anew");
}

Result<void> KafkaFetcher::notice_absence() {
  const auto since = client_->away_since();
  if (!since || Clock::now() - *since < kKafkaAwayMax) return {};
  return fail(client_->refused() ? Reaction::stop : Reaction::retry,
              "No Kafka broker could be reached at {} for {} s. Reported last: {}.", client_->servers(),
              kKafkaAwayMax.count(), client_->last_error());
}

}  // namespace fiverate
