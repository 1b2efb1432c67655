#include "processors/edge/kafka_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstring>
#include <limits>
#include <thread>
#include <type_traits>

#include "schemas/check.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kAnswerMs = static_cast<int>(milliseconds(kKafkaAnswerWithin).count());
constexpr std::int64_t kNoEnd = std::numeric_limits<std::int64_t>::max();
constexpr milliseconds kElectionNap{50};
constexpr std::chrono::seconds kKnownWithin{2};  // a topic just made is known everywhere
constexpr std::chrono::seconds kTailWithin{30};  // last_cause, all in all

std::string named(const KafkaSettings& settings, const Input& input) {
  return fmt::format("{} partition {}", topic_name(settings, input.topic), input.partition);
}

std::optional<Input> input_of(const KafkaSettings& settings, const rd_kafka_topic_partition_t& partition) {
  const auto topic = topic_of(settings, partition.topic);
  if (!topic) return std::nullopt;
  return Input{*topic, partition.partition};
}

rd_kafka_topic_partition_t& add(rd_kafka_topic_partition_list_t& list, const KafkaSettings& settings,
                                const Input& input) {
  return *rd_kafka_topic_partition_list_add(&list, topic_name(settings, input.topic).c_str(), input.partition);
}

KafkaPartitions new_list(std::size_t size) {
  return KafkaPartitions(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

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

struct Extent {
  std::int64_t low = 0;
  std::int64_t high = 0;
};

Result<Extent> query_extent(KafkaClient& client, const KafkaSettings& settings, const Input& input) {
  Extent span;
  auto code = RD_KAFKA_RESP_ERR_NO_ERROR;
  // A topic just made, or one whose leader is just being elected, is refused for a moment by the broker that will lead
  // it.
  const auto begun = Clock::now();
  do {
    const auto left = kKafkaAnswerWithin - std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
    code = rd_kafka_query_watermark_offsets(client.get(), topic_name(settings, input.topic).c_str(), input.partition,
                                            &span.low, &span.high, static_cast<int>(left.count()));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return span;
    if (kafka_error(code, "").reaction != Reaction::retry) break;
    std::this_thread::sleep_for(kElectionNap);
  } while (Clock::now() - begun <
           (is_missing(code) ? milliseconds(kKnownWithin) : milliseconds(kKafkaAnswerWithin) - kElectionNap));
  if (is_missing(code)) {
    return fail(Reaction::stop, "{} is not there at {}: run `topics create`.", named(settings, input),
                client.servers());
  }
  return tl::make_unexpected(kafka_error(
      code,
      fmt::format("Where {} begins and ends is not to be learnt from {}", named(settings, input), client.servers()),
      client.last_error()));
}

// ---- headers -------------------------------------------------------------------------------------------------------

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
    if (name == kCauseHeader) {
      read_into(record.cause, parse_cause(text), name, record);
    } else if (name == kPreviousHeader) {
      read_into(previous, parse_position(text), name, record);
    } else if (name == kChainHeader) {
      read_into(chain, parse_chain(text), name, record);
    } else if (name == kArrivalHeader) {
      read_into(record.arrival, parse_millis(text), name, record);
    }
  }
  if (previous && chain) {
    record.link = Link{*previous, *chain};
  } else if (previous || chain) {
    unreadable(previous ? kChainHeader : kPreviousHeader, record);
  }
}

KafkaHeaders headers_of(const OutRecord& record) {
  KafkaHeaders headers;
  const auto put = [&](std::string_view name, const std::string& value) {
    if (!headers) headers.reset(rd_kafka_headers_new(3));
    const auto code = rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value.data(),
                                          static_cast<ssize_t>(value.size()));
    CHECK(code == RD_KAFKA_RESP_ERR_NO_ERROR, name);
  };
  if (record.cause) put(kCauseHeader, to_text(*record.cause));
  if (record.link) {
    put(kPreviousHeader, to_text(record.link->previous));
    put(kChainHeader, chain_text(record.link->chain));
  }
  if (record.arrival) put(kArrivalHeader, std::to_string(*record.arrival));
  return headers;
}

// ---- reading -------------------------------------------------------------------------------------------------------

// What a poll took. The client goes last: the messages lie in its memory.
struct Batch {
  std::shared_ptr<KafkaClient> client;
  std::vector<KafkaMessage> messages;
};

// Assigned partitions, their positions, and records out of messages. Source, reader and last_cause read through it.
class Fetcher {
 public:
  Fetcher(KafkaSettings settings, std::shared_ptr<KafkaClient> client)
      : settings_(std::move(settings)), client_(std::move(client)) {}

  struct Place {
    std::int64_t next = 0;      // offset expected, or kFromBeginning, kFromEnd
    std::int64_t end = kNoEnd;  // nothing from here on is handed over
    bool done = false;          // `end` is reached
  };
  using Places = std::map<Input, Place>;

  Result<void> assign(Places places) {
    const auto list = new_list(places.size());
    for (const auto& [input, place] : places) add(*list, settings_, input).offset = place.next;
    forget();
    places_ = std::move(places);
    const auto code = rd_kafka_assign(client_->get(), list.get());
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    places_.clear();
    return tl::make_unexpected(
        kafka_error(code, "The assigned partitions cannot be taken over", client_->last_error()));
  }

  // Their records of the poll at hand go, too: what follows may begin anew before them.
  void unassign() {
    if (taking_ != nullptr) {
      std::erase_if(*taking_, [&, at = std::size_t{0}](const InRecord& record) mutable {
        return at++ >= taking_from_ && places_.contains(record.input);
      });
    }
    forget();
    places_.clear();
    rd_kafka_assign(client_->get(), nullptr);
  }

  void break_with(Error error) { broken_ = std::move(error); }

  Result<void> poll(milliseconds wait, std::vector<InRecord>& records) {
    const auto batch = std::make_shared<Batch>(Batch{client_, {}});
    taking_ = &records;
    taking_from_ = records.size();
    auto timeout = std::max(wait, milliseconds(0));
    while (!broken_ && batch->messages.size() < kPollRecordsMax) {
      KafkaMessage message(rd_kafka_consumer_poll(client_->get(), static_cast<int>(timeout.count())));
      if (!message || broken_) break;
      timeout = milliseconds(0);
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (auto handled = other_than_record(*message); !handled) broken_ = handled.error();
      } else if (auto* place = place_of(*message); place != nullptr) {
        take(std::move(message), *place, batch, records);
      }
    }
    taking_ = nullptr;
    if (!batch->messages.empty()) client_->broker_answered();
    if (broken_) return tl::make_unexpected(*broken_);
    return notice_absence();
  }

  [[nodiscard]] bool all_done() const {
    return std::ranges::all_of(places_, [](const auto& entry) { return entry.second.done; });
  }
  [[nodiscard]] const Places& places() const { return places_; }
  [[nodiscard]] const KafkaSettings& settings() const { return settings_; }
  [[nodiscard]] KafkaClient& client() const { return *client_; }

 private:
  struct Known {
    const rd_kafka_topic_t* topic = nullptr;
    std::int32_t partition = 0;
    Places::value_type* entry = nullptr;
  };

  void forget() {
    known_.clear();
    last_ = {};
  }

  // Nothing for a partition that is not ours (any more).
  Places::value_type* place_of(const rd_kafka_message_t& message) {
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

  void take(KafkaMessage message, Places::value_type& entry, const std::shared_ptr<Batch>& batch,
            std::vector<InRecord>& records) {
    auto& [input, place] = entry;
    // librdkafka 2.0.2 may begin at an older position after a new assignment: what has been read is not read again.
    if (message->offset < place.next) return;
    if (message->offset >= place.end) {
      place.done = true;
      return;
    }
    place.next = message->offset + 1;
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

  Result<void> other_than_record(const rd_kafka_message_t& message) {
    auto* entry = place_of(message);
    const auto code = message.err;
    const auto* said = rd_kafka_message_errstr(&message);
    if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      client_->broker_answered();
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

  Result<void> not_in_log(const Input& input, std::int64_t offset, const char* said) {
    const auto span = query_extent(*client_, settings_, input);
    if (!span) return tl::make_unexpected(span.error());
    if (offset >= span->low && offset <= span->high) {
      return fail(Reaction::retry, "{} could not be read at offset {}: {}.", named(settings_, input), offset, said);
    }
    return fail(
        Reaction::stop,
        "{} is to be read from offset {}, but it holds {} to {} (the last one excluded): {}. Nothing is skipped.",
        named(settings_, input), offset, span->low, span->high,
        offset < span->low ? "its older records were deleted" : "it was truncated or made anew");
  }

  Result<void> notice_absence() {
    const auto since = client_->away_since();
    if (!since || Clock::now() - *since < kKafkaAwayMax) return {};
    return fail(client_->refused() ? Reaction::stop : Reaction::retry,
                "No Kafka broker could be reached at {} for {} s. Reported last: {}.", client_->servers(),
                kKafkaAwayMax.count(), client_->last_error());
  }

  KafkaSettings settings_;
  std::shared_ptr<KafkaClient> client_;
  Places places_;
  std::vector<Known> known_;  // where the messages of a topic handle belong; few, and mostly the last one again
  Known last_;
  std::optional<Error> broken_;  // librdkafka would go on behind it: we do not
  std::vector<InRecord>* taking_ = nullptr;
  std::size_t taking_from_ = 0;
};

}  // namespace

// ---- KafkaSource ---------------------------------------------------------------------------------------------------

struct KafkaSource::Parts {
  Listener listener;
  std::unique_ptr<Fetcher> fetcher;
  bool leaving = false;  // set before another thread closes

  Result<Fetcher::Places> begin(const std::vector<Input>& inputs);
  void on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& partitions);
};

namespace {

Result<std::map<Input, Committed>> ask_committed(const Fetcher& fetcher, const std::vector<Input>& inputs) {
  const auto list = new_list(inputs.size());
  for (const auto& input : inputs) add(*list, fetcher.settings(), input);
  auto code = rd_kafka_committed(fetcher.client().get(), list.get(), kAnswerMs);
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

Result<Fetcher::Places> KafkaSource::Parts::begin(const std::vector<Input>& inputs) {
  std::map<Input, std::int64_t> offsets;
  if (listener.assigned) {
    auto told = listener.assigned(inputs);
    if (!told) return tl::make_unexpected(told.error());
    offsets = std::move(*told);
  } else {
    const auto group = ask_committed(*fetcher, inputs);
    if (!group) return tl::make_unexpected(group.error());
    for (const auto& input : inputs) {
      const auto found = group->find(input);
      offsets[input] = found != group->end() ? found->second.offset : kFromBeginning;
    }
  }
  Fetcher::Places places;
  for (const auto& input : inputs) {
    const auto offset = offsets.find(input);
    CHECK(offset != offsets.end(), name_of(input.topic), input.partition);  // the listener's promise
    places[input].next = offset->second;
  }
  return places;
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
    const auto assigned = places ? fetcher->assign(std::move(*places)) : tl::make_unexpected(places.error());
    if (assigned) return;
    fetcher->break_with(assigned.error());
    rd_kafka_assign(handle, nullptr);
    return;
  }
  if (code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    fetcher->break_with(
        kafka_error(code, "The group could not share out its partitions", fetcher->client().last_error()));
  } else if (rd_kafka_assignment_lost(handle) != 0) {
    spdlog::warn("kafka: the group has given our partitions to others: we were too slow or away");
  }
  // Records that are thrown away have not been handed over: the listener commits without them.
  if (listener.revoked && !inputs.empty()) listener.revoked(inputs);
  fetcher->unassign();
}

KafkaSource::KafkaSource(std::shared_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<KafkaSource>> KafkaSource::open(const KafkaSettings& settings, const std::string& group,
                                                       const std::vector<Topic>& topics, const std::string& member) {
  const auto parts = std::make_shared<Parts>();
  auto role = consumer_role(group);
  if (!member.empty()) role.fixed.emplace_back("group.instance.id", member);
  role.on_rebalance = [raw = parts.get()](rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions) {
    raw->on_rebalance(code, *partitions);
  };
  auto client = KafkaClient::open(settings, std::move(role));
  if (!client) return tl::make_unexpected(client.error());
  parts->fetcher = std::make_unique<Fetcher>(settings, *client);
  std::unique_ptr<KafkaSource> source(new KafkaSource(parts));

  const auto list = new_list(topics.size());
  for (const auto topic : topics) add(*list, settings, {topic, RD_KAFKA_PARTITION_UA});
  const auto code = rd_kafka_subscribe((*client)->get(), list.get());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return source;
  return tl::make_unexpected(kafka_error(code, fmt::format("The group {} cannot be joined", group)));
}

KafkaSource::~KafkaSource() {
  parts_->leaving = true;
  // close() of librdkafka 2.0.2 may never return; then it keeps what it needs.
  if (!run_within(kKafkaEndWithin, [parts = parts_] { rd_kafka_consumer_close(parts->fetcher->client().get()); })) {
    spdlog::warn("kafka: leaving the group took more than {} s; the broker will notice", kKafkaEndWithin.count());
  }
}

void KafkaSource::listen(Listener listener) {
  parts_->listener = std::move(listener);
}

Result<void> KafkaSource::poll(milliseconds wait, std::vector<InRecord>& records) {
  return parts_->fetcher->poll(wait, records);
}

Result<std::optional<Committed>> KafkaSource::committed(const Input& input) {
  const auto found = ask_committed(*parts_->fetcher, {input});
  if (!found) return tl::make_unexpected(found.error());
  if (found->empty()) return std::nullopt;
  return found->begin()->second;
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
  if (group_moves(code)) {
    client.heard(code, fmt::format("a position was not committed, its next owner will: {}", rd_kafka_err2str(code)));
    return {};
  }
  return tl::make_unexpected(
      kafka_error(code, fmt::format("Positions were not committed at {}", client.servers()), client.last_error()));
}

std::map<Input, std::int64_t> KafkaSource::lag() const {
  std::map<Input, std::int64_t> lag;
  for (const auto& [input, place] : parts_->fetcher->places()) {
    Extent span{-1, -1};
    rd_kafka_get_watermark_offsets(parts_->fetcher->client().get(),
                                   topic_name(parts_->fetcher->settings(), input.topic).c_str(), input.partition,
                                   &span.low, &span.high);
    if (span.high < 0 || place.next == kFromEnd) continue;
    lag[input] = std::max<std::int64_t>(0, span.high - std::max(place.next, span.low));
  }
  return lag;
}

// ---- KafkaReader ---------------------------------------------------------------------------------------------------

struct KafkaReader::Parts {
  ReaderOptions options;
  Listener listener;
  std::unique_ptr<Fetcher> fetcher;
  bool started = false;
  std::map<Input, KafkaReader::Span> spans;

  Result<void> start();
  [[nodiscard]] Result<std::int64_t> begin_of(const Input& input, const Extent& span) const;
  [[nodiscard]] Result<std::int64_t> offset_at(const Input& input, Millis at, const Extent& span) const;
};

Result<std::int64_t> KafkaReader::Parts::offset_at(const Input& input, Millis at, const Extent& span) const {
  const auto list = new_list(1);
  auto& element = add(*list, fetcher->settings(), input);
  element.offset = std::max<Millis>(at, 0);
  auto code = rd_kafka_offsets_for_times(fetcher->client().get(), list.get(), kAnswerMs);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) code = element.err;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return element.offset < 0 ? span.high : element.offset;
  return tl::make_unexpected(kafka_error(
      code, fmt::format("The offset of a time in {} is not to be learnt", named(fetcher->settings(), input)),
      fetcher->client().last_error()));
}

Result<std::int64_t> KafkaReader::Parts::begin_of(const Input& input, const Extent& span) const {
  if (const auto* time = std::get_if<FromTime>(&options.from)) return offset_at(input, time->at, span);
  if (const auto* tail = std::get_if<FromTail>(&options.from)) return std::max(span.low, span.high - tail->records);
  const auto& offsets = std::get<FromOffsets>(options.from);
  const auto found = offsets.find(input);
  return found == offsets.end() ? kFromBeginning : found->second;
}

Result<void> KafkaReader::Parts::start() {
  const auto& settings = fetcher->settings();
  std::map<Input, Extent> ends;
  std::map<Input, std::int64_t> begins;
  for (const auto& input : options.inputs) {
    const auto span = query_extent(fetcher->client(), settings, input);
    if (!span) return tl::make_unexpected(span.error());
    ends[input] = *span;
    if (listener.assigned) continue;
    const auto begin = begin_of(input, *span);
    if (!begin) return tl::make_unexpected(begin.error());
    begins[input] = *begin;
  }
  if (listener.assigned) {
    auto told = listener.assigned(options.inputs);
    if (!told) return tl::make_unexpected(told.error());
    begins = std::move(*told);
  }
  Fetcher::Places places;
  for (const auto& [input, span] : ends) {
    const auto told = begins.find(input);
    CHECK(told != begins.end(), name_of(input.topic), input.partition);
    const auto begin = told->second == kFromBeginning ? span.low : told->second == kFromEnd ? span.high : told->second;
    if (begin < span.low || begin > span.high) {
      return fail(Reaction::stop, "{} is to be read from offset {}, but it holds {} to {} (the last one excluded): {}.",
                  named(settings, input), begin, span.low, span.high,
                  begin < span.low ? "its older records were deleted" : "it was truncated or made anew");
    }
    places[input] = {begin, options.until_end ? span.high : kNoEnd, options.until_end && begin == span.high};
    spans[input] = {begin, begin, span.high};
  }
  FIVERATE_TRY(fetcher->assign(std::move(places)));
  started = true;
  return {};
}

KafkaReader::KafkaReader(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
KafkaReader::~KafkaReader() = default;

Result<std::unique_ptr<KafkaReader>> KafkaReader::open(const KafkaSettings& settings, ReaderOptions options) {
  // librdkafka wants a name of a group; it is never joined and nothing is committed under it.
  auto client = KafkaClient::open(settings, consumer_role("fiverate-reader"));
  if (!client) return tl::make_unexpected(client.error());
  auto parts = std::make_unique<Parts>();
  parts->options = std::move(options);
  parts->fetcher = std::make_unique<Fetcher>(settings, std::move(*client));
  return std::unique_ptr<KafkaReader>(new KafkaReader(std::move(parts)));
}

void KafkaReader::listen(Listener listener) {
  parts_->listener = std::move(listener);
}

Result<void> KafkaReader::poll(milliseconds wait, std::vector<InRecord>& records) {
  if (!parts_->started) FIVERATE_TRY(parts_->start());
  if (finished()) return {};
  return parts_->fetcher->poll(wait, records);
}

bool KafkaReader::finished() const {
  return parts_->started && parts_->options.until_end && parts_->fetcher->all_done();
}

std::map<Input, KafkaReader::Span> KafkaReader::spans() const {
  auto spans = parts_->spans;
  for (const auto& [input, place] : parts_->fetcher->places()) spans[input].next = place.next;
  return spans;
}

// ---- KafkaSink -----------------------------------------------------------------------------------------------------

namespace {

// Keys are ids; what is not readable is not printed.
std::string shown(std::string_view key) {
  constexpr std::size_t kShownMax = 80;
  if (key.empty()) return "no key";
  if (!std::ranges::all_of(key, [](char c) { return c >= ' ' && c <= '~'; })) {
    return fmt::format("a key of {} bytes", key.size());
  }
  return fmt::format("key {}{}", key.substr(0, kShownMax), key.size() > kShownMax ? "..." : "");
}

// Frame of a record, names of headers: generously.
constexpr std::size_t kRecordOverheadBytes = 512;

std::size_t bytes_of(const OutRecord& record) {
  return record.key.size() + record.value.size() + (record.cause ? record.cause->sender.size() : 0) +
         kRecordOverheadBytes;
}

rd_kafka_vu_t argument(rd_kafka_vtype_t type) {
  rd_kafka_vu_t made{};
  made.vtype = type;
  return made;
}

}  // namespace

struct KafkaSink::Parts {
  KafkaSettings settings;
  std::shared_ptr<KafkaClient> client;
  std::map<Topic, KafkaTopicHandle> topics;  // before the client in destruction: declared behind it
  std::int64_t sent = 0;
  std::int64_t acknowledged = 0;
  std::optional<Error> dead;
  milliseconds stalled_after = kStalledAfter;

  void on_delivery(const rd_kafka_message_t& message);
  Result<rd_kafka_topic_t*> handle_of(Topic topic);
  tl::unexpected<Error> die(Error error) {
    dead = std::move(error);
    return tl::make_unexpected(*dead);
  }
};

namespace {

// Since when nothing has been acknowledged.
class Patience {
 public:
  Patience(const std::int64_t& acknowledged, milliseconds limit)
      : acknowledged_(acknowledged), seen_(acknowledged), limit_(limit) {}

  bool lost() {
    const auto now = Clock::now();
    if (acknowledged_ != seen_) {
      seen_ = acknowledged_;
      since_ = now;
    }
    return now - since_ >= limit_;
  }

 private:
  const std::int64_t& acknowledged_;
  std::int64_t seen_;
  milliseconds limit_;
  Clock::time_point since_ = Clock::now();
};

constexpr int kSliceMs = 50;

}  // namespace

void KafkaSink::Parts::on_delivery(const rd_kafka_message_t& message) {
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++acknowledged;
    return;
  }
  if (dead) return;  // the first says why
  const std::string_view key(static_cast<const char*>(message.key), message.key_len);
  dead = kafka_error(message.err,
                     fmt::format("A record for {} partition {} ({}, {} bytes) was not delivered",
                                 rd_kafka_topic_name(message.rkt), message.partition, shown(key), message.len),
                     client->last_error());
  if (dead->reaction != Reaction::stop) dead->reaction = Reaction::drop_task;
}

Result<rd_kafka_topic_t*> KafkaSink::Parts::handle_of(Topic topic) {
  auto& handle = topics[topic];
  if (handle) return handle.get();
  KafkaTopicHandle made(rd_kafka_topic_new(client->get(), topic_name(settings, topic).c_str(), nullptr));
  if (!made) return tl::make_unexpected(kafka_error(rd_kafka_last_error(), "Topic " + topic_name(settings, topic)));
  // The first record waits up to a second for what this learns at once; and a topic that is missing is told apart.
  const rd_kafka_metadata_t* answer = nullptr;
  const auto code = rd_kafka_metadata(client->get(), 0, made.get(), &answer, kAnswerMs);
  const KafkaMetadata owned(answer);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_poll(client->get(), 0);  // what was reported
    return tl::make_unexpected(kafka_error(
        code, fmt::format("Topic {} is not to be reached at {}", topic_name(settings, topic), client->servers()),
        client->last_error()));
  }
  if (answer->topic_cnt == 1 && answer->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return tl::make_unexpected(
        kafka_error(answer->topics[0].err,
                    fmt::format("Topic {} cannot be written at {}", topic_name(settings, topic), client->servers())));
  }
  handle = std::move(made);
  return handle.get();
}

KafkaSink::KafkaSink(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
KafkaSink::~KafkaSink() = default;

Result<std::unique_ptr<KafkaSink>> KafkaSink::open(const KafkaSettings& settings) {
  auto parts = std::make_unique<Parts>();
  parts->settings = settings;
  auto role = producer_role();
  role.on_delivery = [raw = parts.get()](const rd_kafka_message_t& message) { raw->on_delivery(message); };
  auto client = KafkaClient::open(settings, std::move(role));
  if (!client) return tl::make_unexpected(client.error());
  parts->client = std::move(*client);
  return std::unique_ptr<KafkaSink>(new KafkaSink(std::move(parts)));
}

void KafkaSink::give_up_after(milliseconds stalled) {
  parts_->stalled_after = stalled;
}

Result<void> KafkaSink::send(OutRecord record) {
  auto& p = *parts_;
  if (p.dead) return tl::make_unexpected(*p.dead);
  if (bytes_of(record) > kRecordBytesMax) {
    return fail(Reaction::stop, "A record for {} ({}) is too large: {} bytes, {} are possible.",
                topic_name(p.settings, record.topic), shown(record.key), bytes_of(record), kRecordBytesMax);
  }
  const auto topic = p.handle_of(record.topic);
  if (!topic) return tl::make_unexpected(topic.error());
  auto headers = headers_of(record);

  std::array<rd_kafka_vu_t, 7> arguments{};
  std::size_t count = 0;
  const auto add_argument = [&](rd_kafka_vtype_t type) -> auto& {
    return (arguments[count++] = argument(type)).u;
  };
  add_argument(RD_KAFKA_VTYPE_RKT).rkt = *topic;
  add_argument(RD_KAFKA_VTYPE_PARTITION).i32 = record.partition;
  add_argument(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
  add_argument(RD_KAFKA_VTYPE_TIMESTAMP).i64 = std::max<Millis>(record.timestamp, 1);
  add_argument(RD_KAFKA_VTYPE_KEY).mem = {record.key.data(), record.key.size()};
  add_argument(RD_KAFKA_VTYPE_VALUE).mem = {record.value.empty() ? nullptr : record.value.data(), record.value.size()};
  if (headers) add_argument(RD_KAFKA_VTYPE_HEADERS).headers = headers.get();

  Patience patience(p.acknowledged, p.stalled_after);
  for (;;) {
    const KafkaError error(rd_kafka_produceva(p.client->get(), arguments.data(), count));
    if (!error) break;
    const auto code = rd_kafka_error_code(error.get());
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      auto failed = kafka_error(code,
                                fmt::format("A record for {} partition {} ({}) was not taken",
                                            topic_name(p.settings, record.topic), record.partition, shown(record.key)),
                                rd_kafka_error_string(error.get()));
      if (failed.reaction != Reaction::stop) failed.reaction = Reaction::drop_task;
      return p.die(std::move(failed));
    }
    rd_kafka_poll(p.client->get(), kSliceMs);
    if (p.dead) return tl::make_unexpected(*p.dead);
    if (patience.lost()) {
      return fail(Reaction::retry,
                  "Kafka at {} has acknowledged nothing for {} s and there is no room for more. Reported last: {}.",
                  p.client->servers(), p.stalled_after.count() / 1000, p.client->last_error());
    }
  }
  static_cast<void>(headers.release());  // now librdkafka's
  constexpr std::int64_t kPollEvery = 64;
  if (++p.sent % kPollEvery == 0) rd_kafka_poll(p.client->get(), 0);
  if (p.dead) return tl::make_unexpected(*p.dead);
  return {};
}

Result<void> KafkaSink::flush() {
  auto& p = *parts_;
  Patience patience(p.acknowledged, p.stalled_after);
  while (!p.dead && p.acknowledged < p.sent) {
    rd_kafka_flush(p.client->get(), kSliceMs);  // without lingering
    if (!p.dead && p.acknowledged < p.sent && patience.lost()) {
      return p.die(
          {Reaction::drop_task,
           fmt::format("Kafka at {} has acknowledged nothing for {} s, {} records are on their way. Reported last: {}.",
                       p.client->servers(), p.stalled_after.count() / 1000, p.sent - p.acknowledged,
                       p.client->last_error())});
    }
  }
  if (p.dead) return tl::make_unexpected(*p.dead);
  return {};
}

// The last offset may be gone (compaction, an aborted transaction) or carry no cause: further and further back.
Result<std::optional<Cause>> KafkaSink::last_cause(Topic topic, std::int32_t partition) {
  const Input input{topic, partition};
  auto client = KafkaClient::open(parts_->settings, consumer_role("fiverate-tail"));
  if (!client) return tl::make_unexpected(client.error());
  const auto span = query_extent(**client, parts_->settings, input);
  if (!span) return tl::make_unexpected(span.error());
  Fetcher fetcher(parts_->settings, std::move(*client));
  const auto deadline = Clock::now() + kTailWithin;
  std::optional<Cause> last;
  for (std::int64_t back = 1, begin = span->high; begin > span->low && !last; back *= 8) {
    begin = std::max(span->low, span->high - back);
    FIVERATE_TRY(fetcher.assign({{input, {begin, span->high, false}}}));
    while (!fetcher.all_done()) {
      std::vector<InRecord> records;
      FIVERATE_TRY(fetcher.poll(milliseconds(kSliceMs), records));
      for (auto& record : records) {
        if (record.cause) last = std::move(record.cause);
      }
      if (Clock::now() > deadline) {
        return fail(Reaction::retry, "The end of {} could not be read within {} s. Reported last: {}.",
                    named(parts_->settings, input), kTailWithin.count(), fetcher.client().last_error());
      }
    }
  }
  return last;
}

}  // namespace fiverate
