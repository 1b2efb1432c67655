#include <algorithm>
#include <array>
#include <limits>

#include "processors/edge/kafka_fetcher.h"
#include "processors/stream/acknowledged_ends.h"
#include "schemas/check.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kTailWithin{30};  // each
constexpr std::int64_t kBackAtLeast = 64;        // records: one fetch brings as many as one

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
  for (const auto& said : record.said) put(kSaidHeader, to_text(said));
  return headers;
}

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
constexpr std::size_t kSaidBytes = 64;

std::size_t bytes_of(const OutRecord& record) {
  return record.key.size() + record.value.size() + (record.cause ? record.cause->sender.size() : 0) +
         record.said.size() * kSaidBytes + kRecordOverheadBytes;
}

// What comes back with the acknowledgement of a record, in the place of a pointer.
struct Tag {
  Topic topic;
  std::int64_t number;  // of the record, among all that were sent

  static constexpr int kTopicBits = 8;
  [[nodiscard]] void* packed() const {
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(number) << kTopicBits |
                                   static_cast<std::uintptr_t>(topic));
  }
  static Tag of(const void* packed) {
    const auto bits = reinterpret_cast<std::uintptr_t>(packed);
    return {static_cast<Topic>(bits & ((1U << kTopicBits) - 1)), static_cast<std::int64_t>(bits >> kTopicBits)};
  }
};

rd_kafka_vu_t argument(rd_kafka_vtype_t type) {
  rd_kafka_vu_t made{};
  made.vtype = type;
  return made;
}

}  // namespace

// Reads ends of partitions, for all tasks that begin together: one client, and what senders said last is looked up once.
class TailReader {
 public:
  static Result<std::unique_ptr<TailReader>> open(const KafkaSettings& settings) {
    auto role = consumer_role(settings.topic_prefix + "fiverate-tail", settings.fetch_kib);
    // An end is an end: not held back by an open transaction of somebody else.
    for (auto& [name, value] : role.fixed) {
      if (name == "isolation.level") value = "read_uncommitted";
    }
    // What it reads is there. A fetch that waits for more at the end of one partition holds up whatever is asked next.
    role.defaults.emplace_back("fetch.wait.max.ms", "5");
    auto client = KafkaClient::open(settings, std::move(role));
    if (!client) return tl::make_unexpected(client.error());
    return std::unique_ptr<TailReader>(new TailReader(settings, std::move(*client)));
  }

  Result<Sink::Tail> tail_of(const Input& input) {
    const auto end = end_of(input);
    if (!end) return tl::make_unexpected(end.error());
    while (!(*end)->last && (*end)->begin > (*end)->low) FIVERATE_TRY(read_back(input, **end));
    return Sink::Tail{(*end)->high, (*end)->last};
  }

  // The highest position of this sender: one who woke up late may have repeated something old behind what is newer.
  Result<std::optional<CausePosition>> last_of(const Input& input, const std::string& sender) {
    const auto end = end_of(input);
    if (!end) return tl::make_unexpected(end.error());
    auto& said = (*end)->said;
    while (!said.contains(sender) && (*end)->begin > (*end)->low) FIVERATE_TRY(read_back(input, **end));
    const auto found = said.find(sender);
    return found == said.end() ? std::nullopt : std::optional(found->second);
  }

  Result<bool> still_holds(const Input& input, std::int64_t offset, const Cause& cause) {
    auto end = end_of(input);
    if (end && (*end)->high <= offset) {  // it may have grown since it was asked
      ends_.erase(input);
      end = end_of(input);
    }
    if (!end) return tl::make_unexpected(end.error());
    if ((*end)->begin == (*end)->high && offset >= (*end)->high - kBackAtLeast) FIVERATE_TRY(read_back(input, **end));  // for all who ask
    const auto& [low, high, begin, back, near, near_begin, last, said] = **end;
    if (high <= offset) return false;
    if (offset < low) return true;
    if (offset >= near_begin) {
      const auto found = near.find(offset);
      return found == near.end() || found->second == cause;
    }
    bool holds = true;
    FIVERATE_TRY(read(input, offset, offset + 1, [&](const InRecord& record) { holds = record.cause == cause; }));
    return holds;
  }

 private:
  // What is known of the end of a partition, read from there backwards.
  struct End {
    std::int64_t low = 0;
    std::int64_t high = 0;
    std::int64_t begin = 0;  // read from here on
    std::int64_t back = kBackAtLeast;
    std::map<std::int64_t, std::optional<Cause>> near;  // of the first stretch, by offset
    std::int64_t near_begin = std::numeric_limits<std::int64_t>::max();
    std::optional<Cause> last;
    std::map<std::string, CausePosition> said;
  };

  TailReader(const KafkaSettings& settings, std::shared_ptr<KafkaClient> client)
      : settings_(settings), fetcher_(settings, std::move(client)) {}

  Result<End*> end_of(const Input& input) {
    const auto [known, is_new] = ends_.try_emplace(input);
    auto& end = known->second;
    if (is_new) {
      const auto span = query_offset_range(fetcher_.client(), settings_, input);
      if (!span) return tl::make_unexpected(span.error());  // it costs this reader
      end.low = span->low;
      end.high = end.begin = span->high;
    }
    return &end;
  }

  // A stretch before what is read already. The last offsets may be gone (compaction, an aborted transaction), carry no cause or be
  // another's: further and further back.
  Result<void> read_back(const Input& input, End& end) {
    const auto from = std::max(end.low, end.high - end.back);
    const bool first = end.begin == end.high;
    std::optional<Cause> last;
    FIVERATE_TRY(read(input, from, end.begin, [&](const InRecord& record) {
      if (first) end.near.emplace(record.offset, record.cause);
      if (!record.cause) return;
      last = record.cause;
      auto& said = end.said[record.cause->sender];
      said = std::max(said, record.cause->position);
    }));
    if (first) end.near_begin = from;
    if (!end.last) end.last = std::move(last);
    end.begin = from;
    end.back *= 8;
    return {};
  }

  // What there is from one offset up to another.
  template <typename Visit>
  Result<void> read(const Input& input, std::int64_t from, std::int64_t end, Visit visit) {
    const auto deadline = Clock::now() + kTailWithin;
    FIVERATE_TRY(fetcher_.assign({{input, {from, end, false}}}));
    while (!fetcher_.all_done()) {
      std::vector<InRecord> records;
      FIVERATE_TRY(fetcher_.poll(kSlice, records));
      for (const auto& record : records) visit(record);
      if (Clock::now() > deadline) {
        return fail(Reaction::retry, "The end of {} could not be read within {} s. Reported last: {}.", named(settings_, input),
                    kTailWithin.count(), fetcher_.client().last_error());
      }
    }
    fetcher_.unassign();
    return {};
  }

  static constexpr milliseconds kSlice{50};

  KafkaSettings settings_;
  KafkaFetcher fetcher_;
  std::map<Input, End> ends_;
};

struct KafkaSink::Parts {
  KafkaSettings settings;
  std::shared_ptr<KafkaClient> client;
  std::map<Topic, KafkaTopicHandle> topics;  // before the client in destruction: declared behind it
  std::int64_t sent = 0;
  std::int64_t acknowledged = 0;
  AcknowledgedEnds ends;
  std::optional<Error> dead;
  milliseconds stalled_after = kStalledAfter;

  void on_delivery(const rd_kafka_message_t& message);
  Result<rd_kafka_topic_t*> handle_of(Topic topic);
  std::unique_ptr<TailReader> tails;  // while tasks begin
  // Asks it; an error costs the client.
  template <typename Ask>
  auto of_tails(Ask ask) -> decltype(ask(*tails)) {
    if (!tails) {
      auto opened = TailReader::open(settings);
      if (!opened) return tl::make_unexpected(opened.error());
      tails = std::move(*opened);
    }
    auto answer = ask(*tails);
    if (!answer) tails.reset();
    return answer;
  }
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
    const auto tag = Tag::of(message._private);
    const auto noted = ends.note({tag.topic, message.partition}, tag.number, message.offset);
    if (!noted && !dead) dead = noted.error();
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
  auto role = producer_role(settings.send_kib);
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

  std::array<rd_kafka_vu_t, 8> arguments{};
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
  add_argument(RD_KAFKA_VTYPE_OPAQUE).ptr = Tag{record.topic, p.sent}.packed();
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
  if (record.cause && !record.link) p.ends.sent({record.topic, record.partition}, p.sent, *record.cause);
  constexpr std::int64_t kPollEvery = 64;
  if (++p.sent % kPollEvery == 0) rd_kafka_poll(p.client->get(), 0);
  if (p.dead) return tl::make_unexpected(*p.dead);
  return {};
}

Result<void> KafkaSink::flush() {
  auto& p = *parts_;
  p.tails.reset();  // those who begin have begun; what it remembers grows old
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

Result<Sink::ReadOn> KafkaSink::follow(Topic topic, std::int32_t partition, std::int64_t back) {
  auto reader = KafkaReader::open(parts_->settings, {{{topic, partition}}, FromTail{back}, false});
  if (!reader) return tl::make_unexpected(reader.error());
  return [own = std::shared_ptr<KafkaReader>(std::move(*reader))](std::vector<InRecord>& records) {
    return own->poll(milliseconds(0), records);
  };
}

std::optional<Sink::Tail> KafkaSink::acknowledged(const Input& target, const std::string& sender) const {
  return parts_->ends.last(target, sender);
}

void KafkaSink::know_end(const Input& target, std::int64_t end) {
  parts_->ends.know(target, end, parts_->sent);
}

Result<bool> KafkaSink::still_holds(const Input& target, std::int64_t offset, const Cause& cause) {
  return parts_->of_tails([&](TailReader& tails) { return tails.still_holds(target, offset, cause); });
}

Result<Sink::Tail> KafkaSink::tail(const Input& target) {
  return parts_->of_tails([&](TailReader& tails) { return tails.tail_of(target); });
}

Result<std::optional<CausePosition>> KafkaSink::last_said(Topic topic, std::int32_t partition, std::string_view sender) {
  return parts_->of_tails([&](TailReader& tails) { return tails.last_of({topic, partition}, std::string(sender)); });
}

}  // namespace fiverate
