#include "processors/edge/kafka_client.h"

#include <spdlog/spdlog.h>

#include <array>
#include <condition_variable>
#include <cstring>
#include <thread>

namespace fiverate {
namespace {

using Clock = KafkaClient::Clock;

constexpr std::chrono::seconds kLogEvery{10};  // one line of a kind in this time
constexpr std::chrono::seconds kProbeEvery{1};
constexpr int kProbeMs = 200;
constexpr std::size_t kTextMax = 512;

// Properties that correctness depends on cannot be configured.
struct Reserved {
  std::string_view name;
  std::string_view because;
};
constexpr std::string_view kOwnPositions =
    "positions are stored with the state; records must not be skipped, nor offsets committed by anything else";
constexpr std::string_view kNoLoss = "records must not be lost, reordered or dropped after a timeout";
constexpr std::array kReserved{
    Reserved{"enable.auto.commit", kOwnPositions},
    Reserved{"enable.auto.offset.store", kOwnPositions},
    Reserved{"auto.commit.enable", kOwnPositions},
    Reserved{"auto.offset.reset", kOwnPositions},
    Reserved{"offset.store.method", kOwnPositions},
    Reserved{"enable.partition.eof", "fiverate detects the end of a partition by it"},
    Reserved{"isolation.level", "only records of committed transactions may be read"},
    Reserved{"check.crcs", "damaged records must be detected"},
    Reserved{"group.id", "it is derived from the stage"},
    Reserved{"group.instance.id", "the members of a process share these properties"},
    Reserved{"partition.assignment.strategy", "one task reads the same partition number of all its topics (range)"},
    Reserved{"group.protocol", "static members and the range assignor need the classic protocol"},
    Reserved{"group.remote.assignor", "static members and the range assignor need the classic protocol"},
    Reserved{"enable.idempotence", kNoLoss},
    Reserved{"enable.gapless.guarantee", kNoLoss},
    Reserved{"acks", kNoLoss},
    Reserved{"request.required.acks", kNoLoss},
    Reserved{"message.timeout.ms", kNoLoss},
    Reserved{"delivery.timeout.ms", kNoLoss},
    Reserved{"retries", kNoLoss},
    Reserved{"message.send.max.retries", kNoLoss},
    Reserved{"max.in.flight", kNoLoss},
    Reserved{"max.in.flight.requests.per.connection", kNoLoss},
    Reserved{"queuing.strategy", kNoLoss},
    Reserved{"delivery.report.only.error", kNoLoss},
    Reserved{"message.max.bytes", "it must match the settings of the topics"},
    Reserved{"transactional.id", "transactions are not used"},
    Reserved{"allow.auto.create.topics", "`topics create` creates the topics with their settings"},
    Reserved{"log.queue", "fiverate handles librdkafka's log lines itself"},
};

const Reserved* reserved(std::string_view name) {
  for (const auto& entry : kReserved) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

constexpr std::int32_t kFetchKib = 1'024;  // limit for one partition in one fetch response

// How long librdkafka waits before it looks again whether a full queue of fetched records has space. By default it waits 1 s, so that
// reading a backlog is limited to one queue in a second.
std::pair<std::string, std::string> full_queue_backoff() {
  constexpr int kFirstVersionWithOwnProperty = 0x02020000;
  const bool has_own_property = rd_kafka_version() >= kFirstVersionWithOwnProperty;
  return {has_own_property ? "fetch.queue.backoff.ms" : "fetch.error.backoff.ms", "5"};
}

KafkaProperties common_defaults() {
  return {
      {"client.id", "fiverate"},         {"socket.nagle.disable", "true"},     {"socket.keepalive.enable", "true"},
      {"reconnect.backoff.ms", "100"},   {"reconnect.backoff.max.ms", "1000"},  // a broker that restarts is connected to within a second
      {"log.connection.close", "false"},  // brokers close idle connections all the time
  };
}

KafkaProperties joined(KafkaProperties first, KafkaProperties second) {
  first.insert(first.end(), std::make_move_iterator(second.begin()), std::make_move_iterator(second.end()));
  return first;
}

Result<void> set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, kTextMax> text{};
  switch (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text.data(), text.size())) {
    case RD_KAFKA_CONF_OK:
      return {};
    case RD_KAFKA_CONF_UNKNOWN:
      return fail(Reaction::stop, "The Kafka property {} is not known to librdkafka {}.", name, rd_kafka_version_str());
    default:
      break;
  }
  // librdkafka repeats the value in its message; it may be a secret.
  std::string detail(text.data());
  for (auto at = value.size() < 4 ? std::string::npos : detail.find(value); at != std::string::npos;
       at = detail.find(value)) {
    detail.replace(at, value.size(), "...");
  }
  return fail(Reaction::stop, "The Kafka property {} has a value that librdkafka refuses: {}.", name, detail);
}

Result<KafkaConf> build(const KafkaSettings& settings, const KafkaRole& role) {
  const auto servers = settings.properties.find("bootstrap.servers");
  const auto listed = servers != settings.properties.end() ? servers : settings.properties.find("metadata.broker.list");
  const bool mock = settings.properties.contains("test.mock.num.brokers");
  if (!mock && (listed == settings.properties.end() || listed->second.empty())) {
    return fail(Reaction::stop,
                "The Kafka property bootstrap.servers is missing: set it to the addresses of the brokers.");
  }
  KafkaConf conf(rd_kafka_conf_new());
  for (const auto& [name, value] : role.defaults) TRY(set(conf.get(), name, value));
  for (const auto& [name, value] : settings.properties) {
    if (const auto* entry = reserved(name)) {
      return fail(Reaction::stop, "The Kafka property {} cannot be set: {}.", name, entry->because);
    }
    TRY(set(conf.get(), name, value));
  }
  for (const auto& [name, value] : role.fixed) TRY(set(conf.get(), name, value));
  return conf;
}

bool built_in(std::string_view feature) {
  const KafkaConf conf(rd_kafka_conf_new());
  std::array<char, kTextMax> features{};
  std::size_t size = features.size();
  if (rd_kafka_conf_get(conf.get(), "builtin.features", features.data(), &size) != RD_KAFKA_CONF_OK) return false;
  return ("," + std::string(features.data()) + ",").find("," + std::string(feature) + ",") != std::string::npos;
}

KafkaClient* client_of(const rd_kafka_t* handle) {
  return handle != nullptr ? static_cast<KafkaClient*>(rd_kafka_opaque(handle)) : nullptr;
}

// librdkafka before 2.6.1 repeats its nonce in SCRAM, and Kafka refuses that since 4.0 (librdkafka's pull request 4895).
std::string scram_advice(const KafkaSettings& settings) {
  constexpr int kFirstVersionWithScram = 0x02060100;
  const auto is_scram = [&](const char* name) {
    const auto found = settings.properties.find(name);
    return found != settings.properties.end() && found->second.find("SCRAM") != std::string::npos;
  };
  if (rd_kafka_version() >= kFirstVersionWithScram || (!is_scram("sasl.mechanisms") && !is_scram("sasl.mechanism")))
    return {};
  return fmt::format(
      " Kafka 4.0 and newer refuse SCRAM from librdkafka {} whatever the password. Use PLAIN inside TLS, a client "
      "certificate, or "
      "fiverate with the librdkafka that deploy/install builds.",
      rd_kafka_version_str());
}

// Requests the list of brokers. The request names no topic, so it creates none.
rd_kafka_resp_err_t query_brokers(rd_kafka_t* handle, int timeout_ms) {
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto code = rd_kafka_metadata(handle, 0, nullptr, &metadata, timeout_ms);
  const KafkaMetadata owned(metadata);
  return code;
}

// Lines of librdkafka that an operator sees elsewhere or does not need.
bool is_noise(std::string_view facility, std::string_view line) {
  if (facility == "FAIL") return true;       // the error callback reports it as well
  if (facility == "TERMINATE") return true;  // "still in queue": a dropped sink still has records
  // Consumers and producers share the user's properties, and each role warns about those of the other one.
  return facility == "CONFWARN" && (line.find("property and will be ignored") != std::string_view::npos ||
                                    line.find("enable.gapless.guarantee is experimental") != std::string_view::npos);
}

}  // namespace

// ---- names and errors ----------------------------------------------------------------------------------------------

std::string topic_name(const KafkaSettings& settings, Topic topic) {
  return settings.topic_prefix + std::string(name_of(topic));
}

std::optional<Topic> topic_of(const KafkaSettings& settings, std::string_view name) {
  if (!name.starts_with(settings.topic_prefix)) return std::nullopt;
  return topic_named(name.substr(settings.topic_prefix.size()));
}

Error kafka_error(rd_kafka_resp_err_t code, std::string_view what, std::string_view detail) {
  auto reaction = Reaction::retry;
  std::string_view advice;
  switch (code) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      reaction = Reaction::stop;
      advice = " Check user, password and mechanism.";
      break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      reaction = Reaction::stop;
      advice = " Check the access rights of this user.";
      break;
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
      // librdkafka would continue after the damaged record as if it did not exist.
      reaction = Reaction::stop;
      advice = " The log is damaged there, and no record is skipped.";
      break;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICA_ASSIGNMENT:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
      reaction = Reaction::stop;
      break;
    default:
      break;  // a broker is unreachable or slow, or an election or a rebalance is in progress: a retry helps
  }
  auto text = fmt::format("{}: {}", what, rd_kafka_err2str(code));
  if (!detail.empty() && detail != rd_kafka_err2str(code)) text += fmt::format(" ({})", detail);
  if (!text.ends_with('.')) text += '.';
  text += advice;
  return {reaction, std::move(text)};
}

// ---- roles ---------------------------------------------------------------------------------------------------------

KafkaRole consumer_role(std::string group, std::int32_t fetch_kib) {
  KafkaRole role;
  role.type = RD_KAFKA_CONSUMER;
  role.defaults =
      joined(common_defaults(), {
                                    {"session.timeout.ms", "10000"},  // after it, the partitions of a dead process move
                                    {"heartbeat.interval.ms", "500"},  // how soon a member notices a rebalance
                                    // A state is restored between two polls; /livez reports a process that hangs.
                                    {"max.poll.interval.ms", "1800000"},
                                    {"socket.timeout.ms", "15000"},  // a broker that hangs counts as unreachable
                                    full_queue_backoff(),
                                    {"queued.min.messages", "500000"},
                                    {"queued.max.messages.kbytes", std::to_string(fetch_kib)},
                                    // One response holds no more than the queue may.
                                    {"fetch.message.max.bytes", std::to_string(std::min(kFetchKib, fetch_kib) * 1024)},
                                });
  role.fixed = {
      {"group.id", std::move(group)},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},
      {"partition.assignment.strategy", "range"},
      {"isolation.level", "read_committed"},
      {"enable.partition.eof", "true"},
      {"check.crcs", "true"},
  };
  return role;
}

KafkaRole producer_role(std::int32_t send_kib) {
  KafkaRole role;
  role.type = RD_KAFKA_PRODUCER;
  role.defaults =
      joined(common_defaults(), {
                                    {"linger.ms", "5"},
                                    {"compression.type", built_in("lz4") ? "lz4" : "none"},
                                    {"queue.buffering.max.messages", "1000000"},
                                    {"queue.buffering.max.kbytes", std::to_string(send_kib)},
                                    {"partitioner", "murmur2_random"},  // as in Java; fiverate sets partitions itself
                                });
  role.fixed = {
      {"enable.idempotence", "true"},   {"enable.gapless.guarantee", "true"}, {"acks", "all"},
      {"message.timeout.ms", "0"},  // records never expire, since later ones would be sent without them
      {"message.max.bytes", "8388608"},
  };
  return role;
}

KafkaRole admin_role() {
  KafkaRole role;
  role.type = RD_KAFKA_PRODUCER;
  role.defaults = common_defaults();
  return role;
}

Result<void> check_properties(const KafkaSettings& settings) {
  for (const auto& role : {consumer_role("check", settings.fetch_kib), producer_role(settings.send_kib)}) {
    if (const auto conf = build(settings, role); !conf) return tl::make_unexpected(conf.error());
  }
  return {};
}

Result<void> reach(const KafkaSettings& settings, std::chrono::milliseconds timeout) {
  const auto client = KafkaClient::open(settings, admin_role());
  if (!client) return tl::make_unexpected(client.error());
  const auto deadline = Clock::now() + timeout;
  constexpr std::chrono::milliseconds kSlice{250};
  auto code = RD_KAFKA_RESP_ERR__TIMED_OUT;
  for (auto left = timeout; left.count() > 0;
       left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now())) {
    code = query_brokers((*client)->get(), static_cast<int>(std::min(left, kSlice).count()));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    rd_kafka_poll((*client)->get(), 0);
    if ((*client)->refused()) break;
    // Some errors return at once; the loop must not spin.
    if (code != RD_KAFKA_RESP_ERR__TIMED_OUT) std::this_thread::sleep_for(std::min(left, kSlice));
  }
  if ((*client)->refused()) {
    return fail(Reaction::stop, "Kafka at {} refused us. Reported last: {}.{}", (*client)->servers(),
                (*client)->last_error(), scram_advice(settings));
  }
  return fail(Reaction::retry, "No Kafka broker answered at {} within {:.1f} s. Reported last: {}.",
              (*client)->servers(), std::chrono::duration<double>(timeout).count(), (*client)->last_error());
}

// ---- the client ----------------------------------------------------------------------------------------------------

bool run_within(std::chrono::milliseconds within, std::function<void()> work) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable ended;
    bool done = false;
  };
  const auto shared = std::make_shared<Shared>();
  std::thread thread([shared, work = std::move(work)]() mutable {
    work();
    work = nullptr;  // destroys what it owns before the caller is notified
    const std::lock_guard lock(shared->mutex);
    shared->done = true;
    shared->ended.notify_all();
  });
  std::unique_lock lock(shared->mutex);
  const bool done = shared->ended.wait_for(lock, within, [&] { return shared->done; });
  lock.unlock();
  if (done) {
    thread.join();
  } else {
    thread.detach();
  }
  return done;
}

Result<std::shared_ptr<KafkaClient>> KafkaClient::open(const KafkaSettings& settings, KafkaRole role) {
  auto conf = build(settings, role);
  if (!conf) return tl::make_unexpected(conf.error());

  // Destruction runs in a thread of its own, because librdkafka joins its threads and one of them may hang in a name lookup. Such a
  // client keeps what its callbacks need.
  std::shared_ptr<KafkaClient> client(new KafkaClient(std::move(role)), [](KafkaClient* ending) {
    if (!run_within(kKafkaEndWithin, [ending] { delete ending; })) {
      spdlog::warn("kafka: a client did not end within {} s; its memory is not freed", kKafkaEndWithin.count());
    }
  });
  rd_kafka_conf_set_opaque(conf->get(), client.get());
  rd_kafka_conf_set_log_cb(conf->get(),
                           [](const rd_kafka_t* handle, int level, const char* facility, const char* line) {
                             if (auto* self = client_of(handle); self != nullptr && !is_noise(facility, line))
                               self->log(level, facility, line);
                           });
  rd_kafka_conf_set_error_cb(conf->get(), [](rd_kafka_t* handle, int code, const char* reported, void* opaque) {
    auto& self = *static_cast<KafkaClient*>(opaque);
    std::array<char, kTextMax> text{};
    if (code == RD_KAFKA_RESP_ERR__FATAL) rd_kafka_fatal_error(handle, text.data(), text.size());
    self.on_error(static_cast<rd_kafka_resp_err_t>(code), text[0] != '\0' ? text.data() : reported);
  });
  if (client->role_.on_rebalance) {
    rd_kafka_conf_set_rebalance_cb(
        conf->get(), [](rd_kafka_t*, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions,
                        void* opaque) { static_cast<KafkaClient*>(opaque)->role_.on_rebalance(code, partitions); });
  }
  if (client->role_.on_delivery) {
    rd_kafka_conf_set_dr_msg_cb(conf->get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
      static_cast<KafkaClient*>(opaque)->role_.on_delivery(*message);
    });
  }
  for (const auto* name : {"bootstrap.servers", "metadata.broker.list"}) {
    if (const auto found = settings.properties.find(name); found != settings.properties.end())
      client->servers_ = found->second;
  }
  std::array<char, kTextMax> text{};
  client->handle_ = rd_kafka_new(client->role_.type, conf->get(), text.data(), text.size());
  if (client->handle_ == nullptr)
    return fail(Reaction::stop, "librdkafka refuses the Kafka properties: {}.", text.data());
  static_cast<void>(conf->release());  // librdkafka owns it now
  if (client->role_.type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(client->handle_);
  return client;
}

KafkaClient::~KafkaClient() {
  if (handle_ == nullptr) return;
  if (role_.type == RD_KAFKA_PRODUCER) {
    rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  }
  rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);  // ~KafkaSource has closed a group's consumer
}

std::string KafkaClient::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_.empty() ? "nothing" : last_error_;
}

std::optional<Clock::time_point> KafkaClient::away_since() {
  const auto since = away_since_.load();
  if (since == 0) return std::nullopt;
  if (const auto now = Clock::now(); now - probed_ >= kProbeEvery) {
    probed_ = now;
    if (query_brokers(handle_, kProbeMs) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      broker_answered();
      return std::nullopt;
    }
  }
  return Clock::time_point(Clock::duration(since));
}

void KafkaClient::broker_answered() {
  if (away_since_.load(std::memory_order_relaxed) == 0) return;
  away_since_ = 0;
  refused_ = false;
  spdlog::info("kafka: a broker answers again at {}", servers_);
}

std::optional<Clock::time_point> KafkaClient::coordinator_away_since() const {
  const auto since = coordinator_away_since_.load();
  return since == 0 ? std::nullopt : std::optional(Clock::time_point(Clock::duration(since)));
}

void KafkaClient::refresh_metadata(std::chrono::milliseconds within) {
  static_cast<void>(query_brokers(handle_, static_cast<int>(within.count())));
}

void KafkaClient::on_error(rd_kafka_resp_err_t code, std::string_view reported) {
  const auto now = Clock::now().time_since_epoch().count();
  Clock::rep reachable = 0;
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    away_since_.compare_exchange_strong(reachable, now);
  } else if (code == RD_KAFKA_RESP_ERR__TRANSPORT && reported.starts_with("GroupCoordinator:")) {
    coordinator_away_since_.compare_exchange_strong(reachable, now);
  }
  if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION) refused_ = true;
  {
    // "1/1 brokers are down" gives no reason, so it does not replace an error that does.
    const std::lock_guard lock(mutex_);
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || last_error_.empty()) last_error_ = reported;
  }
  log(4, rd_kafka_err2name(code), reported);
}

void KafkaClient::log(int level, std::string_view facility, std::string_view line) {
  std::int64_t suppressed = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    const auto [last, first] = last_lines_.try_emplace(std::string(facility), LastLine{now});
    if (!first && now - last->second.logged < kLogEvery) {
      ++last->second.suppressed;
      return;
    }
    suppressed = std::exchange(last->second, LastLine{now}).suppressed;
  }
  const auto as = level <= 2   ? spdlog::level::err
                  : level <= 4 ? spdlog::level::warn
                  : level <= 6 ? spdlog::level::info
                               : spdlog::level::debug;
  if (suppressed > 0) {
    spdlog::log(as, "kafka: {}: {} (and {} more of this kind before)", facility, line, suppressed);
  } else {
    spdlog::log(as, "kafka: {}: {}", facility, line);
  }
}

}  // namespace fiverate
