#include <algorithm>
#include <array>

#include "processors/edge/kafka_log.h"
#include "schemas/check.h"

namespace fiverate {
namespace {

using Clock = KafkaClient::Clock;
constexpr int kSliceMs = 50;

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
  if (record.import) put(kImportHeader, to_text(*record.import));
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

}  // namespace

Result<std::unique_ptr<KafkaSink>> KafkaSink::open(const KafkaSettings& settings,
                                                   std::chrono::milliseconds stalled_after) {
  std::unique_ptr<KafkaSink> sink(new KafkaSink(stalled_after));
  auto role = producer_role(settings);
  role.on_delivery = [self = sink.get()](const rd_kafka_message_t& message) { self->on_delivery(message); };
  TRY_VALUE(client, KafkaClient::open(settings, std::move(role)));
  sink->client_ = std::move(client);
  return sink;
}

void KafkaSink::on_delivery(const rd_kafka_message_t& message) {
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++acknowledged_;
    last_acknowledged_ = Clock::now();
    const auto topic = std::ranges::find(topics_, message.rkt, [](const auto& entry) { return entry.second.get(); });
    CHECK(topic != topics_.end());
    const auto number = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(message._private));
    const auto noted = offsets_.acknowledged({topic->first, message.partition}, number, message.offset);
    if (!noted && !failure_) failure_ = noted.error();
    return;
  }
  if (failure_) return;  // the first failure names the cause
  const std::string_view key(static_cast<const char*>(message.key), message.key_len);
  failure_ = client_
                 ->failed(message.err,
                          fmt::format("A record for {} partition {} ({}, {} bytes) was not delivered",
                                      rd_kafka_topic_name(message.rkt), message.partition, shown(key), message.len))
                 .value();
  if (failure_->reaction != Reaction::stop) failure_->reaction = Reaction::drop_task;
}

Result<rd_kafka_topic_t*> KafkaSink::handle_of(Topic topic) {
  auto& handle = topics_[topic];
  if (handle) return handle.get();
  const auto name = topic_name(client_->settings(), topic);
  KafkaTopicHandle made(rd_kafka_topic_new(client_->get(), name.c_str(), nullptr));
  if (!made) return client_->failed(rd_kafka_last_error(), "Topic " + name);
  // Requests the metadata at once: otherwise the first record waits up to a second for it, and a missing topic is not noticed.
  const auto metadata = client_->metadata(kKafkaAnswerWithin, false, made.get());
  rd_kafka_poll(client_->get(), 0);  // what was reported
  auto code = metadata ? RD_KAFKA_RESP_ERR_NO_ERROR : metadata.error();
  if (metadata && (*metadata)->topic_cnt == 1) code = (*metadata)->topics[0].err;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return client_->failed(code, fmt::format("Topic {} cannot be written", name));
  handle = std::move(made);
  return handle.get();
}

Result<void> KafkaSink::check_stalled(Clock::time_point begun, Reaction reaction) const {
  if (Clock::now() - std::max(begun, last_acknowledged_) < stalled_after_) return {};
  return fail(reaction,
              "Kafka at {} has acknowledged nothing for {} s, {} records are on their way. Reported last: {}.",
              client_->servers(), stalled_after_.count() / 1000, sent_ - acknowledged_, client_->last_error());
}

Result<void> KafkaSink::send(OutRecord record) {
  if (failure_) return tl::make_unexpected(*failure_);
  if (bytes_of(record) > kRecordBytesMax) {
    return fail(Reaction::stop, "A record for {} ({}) is too large: {} bytes, {} are possible.",
                topic_name(client_->settings(), record.topic), shown(record.key), bytes_of(record), kRecordBytesMax);
  }
  TRY_VALUE(topic, handle_of(record.topic));
  auto headers = headers_of(record);

  std::array<rd_kafka_vu_t, 8> arguments{};
  std::size_t count = 0;
  const auto add_argument = [&](rd_kafka_vtype_t type) -> auto& {
    arguments[count].vtype = type;
    return arguments[count++].u;
  };
  add_argument(RD_KAFKA_VTYPE_RKT).rkt = topic;
  add_argument(RD_KAFKA_VTYPE_PARTITION).i32 = record.partition;
  add_argument(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
  add_argument(RD_KAFKA_VTYPE_TIMESTAMP).i64 = std::max<Millis>(record.timestamp, 1);
  add_argument(RD_KAFKA_VTYPE_KEY).mem = {record.key.data(), record.key.size()};
  add_argument(RD_KAFKA_VTYPE_VALUE).mem = {record.value.empty() ? nullptr : record.value.data(), record.value.size()};
  add_argument(RD_KAFKA_VTYPE_OPAQUE).ptr = reinterpret_cast<void*>(static_cast<std::intptr_t>(sent_));
  if (headers) add_argument(RD_KAFKA_VTYPE_HEADERS).headers = headers.get();

  const auto begun = Clock::now();
  for (;;) {
    const KafkaError error(rd_kafka_produceva(client_->get(), arguments.data(), count));
    if (!error) break;
    const auto code = rd_kafka_error_code(error.get());
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      failure_ = client_
                     ->failed(code,
                              fmt::format("A record for {} ({}) was refused by the producer",
                                          client_->name({record.topic, record.partition}), shown(record.key)),
                              rd_kafka_error_string(error.get()))
                     .value();
      if (failure_->reaction != Reaction::stop) failure_->reaction = Reaction::drop_task;
      return tl::make_unexpected(*failure_);
    }
    rd_kafka_poll(client_->get(), kSliceMs);
    if (failure_) return tl::make_unexpected(*failure_);
    TRY(check_stalled(begun, Reaction::retry));
  }
  static_cast<void>(headers.release());  // now librdkafka's
  if (record.cause && !record.link) offsets_.sent({record.topic, record.partition}, sent_, *record.cause);
  constexpr std::int64_t kPollEvery = 64;
  if (++sent_ % kPollEvery == 0) rd_kafka_poll(client_->get(), 0);
  if (failure_) return tl::make_unexpected(*failure_);
  return {};
}

Result<void> KafkaSink::flush() {
  const auto begun = Clock::now();
  while (!failure_ && acknowledged_ < sent_) {
    rd_kafka_flush(client_->get(), kSliceMs);  // without lingering
    if (failure_ || acknowledged_ == sent_) break;
    if (auto stalled = check_stalled(begun, Reaction::drop_task); !stalled) failure_ = std::move(stalled).error();
  }
  if (failure_) return tl::make_unexpected(*failure_);
  return {};
}

}  // namespace fiverate
