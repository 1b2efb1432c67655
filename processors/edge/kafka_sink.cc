#include <algorithm>
#include <array>
#include <limits>

#include "processors/edge/kafka_fetcher.h"
#include "processors/stream/acknowledged_offsets.h"
#include "schemas/check.h"

namespace fiverate {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

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
  for (const auto& cause : record.depends_on) put(kDependsOnHeader, to_text(cause));
  return headers;
}

// Keys are ids; a key that is not printable text is not printed.
std::string shown(std::string_view key) {
  constexpr std::size_t kShownMax = 80;
  if (key.empty()) return "no key";
  if (!std::ranges::all_of(key, [](char c) { return c >= ' ' && c <= '~'; })) {
    return fmt::format("a key of {} bytes", key.size());
  }
  return fmt::format("key {}{}", key.substr(0, kShownMax), key.size() > kShownMax ? "..." : "");
}

// An upper bound of a record's frame and the names of its headers.
constexpr std::size_t kRecordOverheadBytes = 512;
constexpr std::size_t kDependsOnBytes = 64;

std::size_t bytes_of(const OutRecord& record) {
  return record.key.size() + record.value.size() + (record.cause ? record.cause->sender.size() : 0) +
         record.depends_on.size() * kDependsOnBytes + kRecordOverheadBytes;
}

// librdkafka returns it with the acknowledgement of a record, in the place of a pointer.
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

struct KafkaSink::Parts {
  KafkaSettings settings;
  std::shared_ptr<KafkaClient> client;
  std::map<Topic, KafkaTopicHandle> topics;  // before the client in destruction: declared behind it
  std::int64_t sent = 0;
  std::int64_t acknowledged = 0;
  AcknowledgedOffsets offsets;
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

// Notices that nothing was acknowledged for too long.
class StallTimeout {
 public:
  StallTimeout(const std::int64_t& acknowledged, milliseconds limit)
      : acknowledged_(acknowledged), seen_(acknowledged), limit_(limit) {}

  bool expired() {
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
    const auto noted = offsets.acknowledged({tag.topic, message.partition}, tag.number, message.offset);
    if (!noted && !dead) dead = noted.error();
    return;
  }
  if (dead) return;  // the first failure names the cause
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
  // Requests the metadata at once: otherwise the first record waits up to a second for it, and a missing topic is not noticed.
  const rd_kafka_metadata_t* answer = nullptr;
  const auto code = rd_kafka_metadata(client->get(), 0, made.get(), &answer, kAnswerMs);
  const KafkaMetadata owned(answer);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_poll(client->get(), 0);  // what was reported
    return tl::make_unexpected(kafka_error(
        code, fmt::format("Topic {} cannot be reached at {}", topic_name(settings, topic), client->servers()),
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

void KafkaSink::fail_after(milliseconds stalled) {
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

  StallTimeout stall(p.acknowledged, p.stalled_after);
  for (;;) {
    const KafkaError error(rd_kafka_produceva(p.client->get(), arguments.data(), count));
    if (!error) break;
    const auto code = rd_kafka_error_code(error.get());
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      auto failed = kafka_error(code,
                                fmt::format("A record for {} partition {} ({}) was refused by the producer",
                                            topic_name(p.settings, record.topic), record.partition, shown(record.key)),
                                rd_kafka_error_string(error.get()));
      if (failed.reaction != Reaction::stop) failed.reaction = Reaction::drop_task;
      return p.die(std::move(failed));
    }
    rd_kafka_poll(p.client->get(), kSliceMs);
    if (p.dead) return tl::make_unexpected(*p.dead);
    if (stall.expired()) {
      return fail(Reaction::retry,
                  "Kafka at {} has acknowledged nothing for {} s, and the send buffer is full. Reported last: {}.",
                  p.client->servers(), p.stalled_after.count() / 1000, p.client->last_error());
    }
  }
  static_cast<void>(headers.release());  // now librdkafka's
  if (record.cause && !record.link) p.offsets.sent({record.topic, record.partition}, p.sent, *record.cause);
  constexpr std::int64_t kPollEvery = 64;
  if (++p.sent % kPollEvery == 0) rd_kafka_poll(p.client->get(), 0);
  if (p.dead) return tl::make_unexpected(*p.dead);
  return {};
}

Result<void> KafkaSink::flush() {
  auto& p = *parts_;
  StallTimeout stall(p.acknowledged, p.stalled_after);
  while (!p.dead && p.acknowledged < p.sent) {
    rd_kafka_flush(p.client->get(), kSliceMs);  // without lingering
    if (!p.dead && p.acknowledged < p.sent && stall.expired()) {
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

std::optional<std::int64_t> KafkaSink::acknowledged_end(const Input& target, const std::string& sender) const {
  return parts_->offsets.end(target, sender);
}

}  // namespace fiverate
