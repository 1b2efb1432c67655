#include "processors/edge/kafka_client.h"

#include <spdlog/spdlog.h>

#include <array>
#include <future>
#include <iterator>
#include <thread>

namespace fiverate {
namespace {

using Clock = KafkaClient::Clock;

constexpr std::chrono::seconds kLogEvery{10};  // one line of a kind in this time
constexpr std::chrono::milliseconds kProbeWithin{200};
constexpr std::chrono::milliseconds kMetadataRetriedAfter{50};
constexpr std::size_t kTextMax = 512;
constexpr std::int32_t kFetchKib = 1'024;  // limit for one partition in one fetch response

// Properties that correctness depends on cannot be configured.
struct Reserved {
  std::string_view because;
  std::vector<std::string_view> names;
};
const std::vector<Reserved>& reserved() {
  static const std::vector<Reserved> kReserved{
      {"positions are stored with the state; records must not be skipped, nor offsets committed by anything else",
       {"enable.auto.commit", "enable.auto.offset.store", "auto.commit.enable", "auto.offset.reset",
        "offset.store.method"}},
      {"records must not be lost, reordered or dropped after a timeout",
       {"enable.idempotence", "enable.gapless.guarantee", "acks", "request.required.acks", "message.timeout.ms",
        "delivery.timeout.ms", "retries", "message.send.max.retries", "max.in.flight",
        "max.in.flight.requests.per.connection", "queuing.strategy", "delivery.report.only.error"}},
      {"fiverate detects the end of a partition by it", {"enable.partition.eof"}},
      {"only records of committed transactions may be read", {"isolation.level"}},
      {"damaged records must be detected", {"check.crcs"}},
      {"it is derived from the stage", {"group.id"}},
      {"the members of a process share these properties", {"group.instance.id"}},
      {"one task reads the same partition number of all its topics (range)", {"partition.assignment.strategy"}},
      {"static members and the range assignor need the classic protocol", {"group.protocol", "group.remote.assignor"}},
      {"it must match the settings of the topics", {"message.max.bytes"}},
      {"transactions are not used", {"transactional.id"}},
      {"`topics create` creates the topics with their settings", {"allow.auto.create.topics"}},
      {"fiverate handles librdkafka's log lines itself", {"log.queue"}},
  };
  return kReserved;
}

const KafkaProperties& common_defaults() {
  static const KafkaProperties kCommon{
      {"client.id", "fiverate"},         {"socket.nagle.disable", "true"},     {"socket.keepalive.enable", "true"},
      {"reconnect.backoff.ms", "100"},   {"reconnect.backoff.max.ms", "1000"},  // a broker that restarts is connected to within a second
      {"log.connection.close", "false"},  // brokers close idle connections all the time
  };
  return kCommon;
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

std::string servers_of(const KafkaSettings& settings) {
  for (const auto* name : {"bootstrap.servers", "metadata.broker.list"}) {
    if (const auto found = settings.properties.find(name); found != settings.properties.end()) return found->second;
  }
  return {};
}

Result<KafkaConf> build(const KafkaSettings& settings, const KafkaRole& role) {
  if (servers_of(settings).empty()) {
    return fail(Reaction::stop,
                "The Kafka property bootstrap.servers is missing: set it to the addresses of the brokers.");
  }
  KafkaConf conf(rd_kafka_conf_new());
  for (const auto& [name, value] : common_defaults()) TRY(set(conf.get(), name, value));
  for (const auto& [name, value] : role.defaults) TRY(set(conf.get(), name, value));
  for (const auto& [name, value] : settings.properties) {
    for (const auto& [because, names] : reserved()) {
      if (std::ranges::find(names, name) == names.end()) continue;
      return fail(Reaction::stop, "The Kafka property {} cannot be set: {}.", name, because);
    }
    TRY(set(conf.get(), name, value));
  }
  for (const auto& [name, value] : role.fixed) TRY(set(conf.get(), name, value));
  return conf;
}

KafkaClient* client_of(const rd_kafka_t* handle) {
  return handle != nullptr ? static_cast<KafkaClient*>(rd_kafka_opaque(handle)) : nullptr;
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

std::string partition_name(const KafkaSettings& settings, const Input& input) {
  return fmt::format("{} partition {}", topic_name(settings, input.topic), input.partition);
}

std::optional<Topic> topic_of(const KafkaSettings& settings, std::string_view name) {
  if (!name.starts_with(settings.topic_prefix)) return std::nullopt;
  return topic_named(name.substr(settings.topic_prefix.size()));
}

// ---- roles ---------------------------------------------------------------------------------------------------------

KafkaRole consumer_role(const KafkaSettings& settings, std::string group) {
  KafkaRole role;
  role.type = RD_KAFKA_CONSUMER;
  role.defaults = {
    {"session.timeout.ms", "10000"},   // after it, the partitions of a dead process move
    {"heartbeat.interval.ms", "500"},  // how soon a member notices a rebalance
    // A state is restored between two polls; /livez reports a process that hangs.
    {"max.poll.interval.ms", "1800000"},
    {"socket.timeout.ms", "15000"},  // a broker that hangs counts as unreachable
#if RD_KAFKA_VERSION >= 0x020200ff
    {"fetch.queue.backoff.ms", "5"},  // by default a full queue gets no more records for 1 s
#else
    {"fetch.error.backoff.ms", "5"},
#endif
    {"queued.min.messages", "500000"},
    {"queued.max.messages.kbytes", std::to_string(settings.fetch_kib)},
    // One response holds no more than the queue may.
    {"fetch.message.max.bytes", std::to_string(std::min(kFetchKib, settings.fetch_kib) * 1024)},
  };
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

KafkaRole producer_role(const KafkaSettings& settings) {
  KafkaRole role;
  role.defaults = {
      {"linger.ms", "5"},
      {"compression.type", "lz4"},
      {"queue.buffering.max.messages", "1000000"},
      {"queue.buffering.max.kbytes", std::to_string(settings.send_kib)},
      {"partitioner", "murmur2_random"},  // as in Java; fiverate sets partitions itself
  };
  role.fixed = {
      {"enable.idempotence", "true"},   {"enable.gapless.guarantee", "true"}, {"acks", "all"},
      {"message.timeout.ms", "0"},  // records never expire, since later ones would be sent without them
      {"message.max.bytes", "8388608"},
  };
  return role;
}

Result<void> check_properties(const KafkaSettings& settings) {
  for (const auto& role : {consumer_role(settings, "check"), producer_role(settings)}) {
    TRY(build(settings, role));
  }
  return {};
}

Result<void> reach(const KafkaSettings& settings, std::chrono::milliseconds timeout) {
  TRY_VALUE(client, KafkaClient::open(settings));
  for (const auto until = Clock::now() + timeout; Clock::now() < until && !client->refused_;) {
    if (client->metadata(std::chrono::milliseconds(250))) return {};
    rd_kafka_poll(client->get(), 100);  // what was reported
  }
  if (client->refused_) {
    return fail(Reaction::stop, "Kafka at {} refused us. Reported last: {}.", client->servers(), client->last_error());
  }
  return fail(Reaction::retry, "No Kafka broker answered at {} within {:.1f} s. Reported last: {}.", client->servers(),
              std::chrono::duration<double>(timeout).count(), client->last_error());
}

// ---- the client ----------------------------------------------------------------------------------------------------

bool run_within(std::chrono::milliseconds within, std::function<void()> work) {
  // What `work` owns is destroyed before the caller is notified.
  std::packaged_task<void()> task([work = std::move(work)]() mutable { std::exchange(work, nullptr)(); });
  const auto done = task.get_future();
  std::thread(std::move(task)).detach();
  return done.wait_for(within) == std::future_status::ready;
}

Result<std::shared_ptr<KafkaClient>> KafkaClient::open(const KafkaSettings& settings, KafkaRole role) {
  TRY_VALUE(conf, build(settings, role));
  // Destruction runs in a thread of its own, because librdkafka joins its threads and one of them may hang in a name lookup. Such a
  // client keeps what its callbacks need.
  std::shared_ptr<KafkaClient> client(new KafkaClient(settings, std::move(role)), [](KafkaClient* ending) {
    if (!run_within(kKafkaEndWithin, [ending] { delete ending; })) {
      spdlog::warn("kafka: a client did not end within {} s; its memory is not freed", kKafkaEndWithin.count());
    }
  });
  rd_kafka_conf_set_opaque(conf.get(), client.get());
  rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t* handle, int level, const char* facility, const char* line) {
    if (auto* self = client_of(handle); self != nullptr && !is_noise(facility, line)) self->log(level, facility, line);
  });
  rd_kafka_conf_set_error_cb(conf.get(), [](rd_kafka_t* handle, int code, const char* reported, void* opaque) {
    auto& self = *static_cast<KafkaClient*>(opaque);
    std::array<char, kTextMax> text{};
    if (code == RD_KAFKA_RESP_ERR__FATAL) rd_kafka_fatal_error(handle, text.data(), text.size());
    self.on_error(static_cast<rd_kafka_resp_err_t>(code), text[0] != '\0' ? text.data() : reported);
  });
  if (client->role_.on_rebalance) {
    rd_kafka_conf_set_rebalance_cb(
        conf.get(), [](rd_kafka_t*, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* partitions,
                       void* opaque) { static_cast<KafkaClient*>(opaque)->role_.on_rebalance(code, *partitions); });
  }
  if (client->role_.on_delivery) {
    rd_kafka_conf_set_dr_msg_cb(conf.get(), [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
      static_cast<KafkaClient*>(opaque)->role_.on_delivery(*message);
    });
  }
  client->servers_ = servers_of(settings);
  std::array<char, kTextMax> text{};
  client->handle_ = rd_kafka_new(client->role_.type, conf.get(), text.data(), text.size());
  if (client->handle_ == nullptr)
    return fail(Reaction::stop, "librdkafka refuses the Kafka properties: {}.", text.data());
  static_cast<void>(conf.release());  // librdkafka owns it now
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

namespace {

// For an error that needs a person: the advice to print, or none. nullopt: a retry helps.
std::optional<std::string_view> advice_for(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return " Check user, password and mechanism.";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
      return " Check the access rights of this user.";
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
      // librdkafka would continue after the damaged record as if it did not exist.
      return " The log is damaged there, and no record is skipped.";
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
      return "";
    default:
      return std::
          nullopt;  // a broker is unreachable or slow, or an election or a rebalance is in progress: a retry helps
  }
}

}  // namespace

tl::unexpected<Error> KafkaClient::failed(rd_kafka_resp_err_t code, std::string_view what,
                                          std::string_view detail) const {
  const auto advice = advice_for(code);
  const std::string_view reason = rd_kafka_err2str(code);
  const auto reported = detail.empty() ? last_error() : std::string(detail);
  auto text = fmt::format("{} at {}: {}", what, servers_, reason);
  if (reported != reason && reported != "nothing") text += fmt::format(" ({})", reported);
  if (!text.ends_with('.')) text += '.';
  return tl::make_unexpected(
      Error{advice ? Reaction::stop : Reaction::retry, std::move(text).append(advice.value_or(""))});
}

tl::expected<KafkaMetadata, rd_kafka_resp_err_t> KafkaClient::metadata(std::chrono::milliseconds within, bool all,
                                                                       rd_kafka_topic_t* topic) {
  for (const auto until = Clock::now() + within;; std::this_thread::sleep_for(kMetadataRetriedAfter)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    const rd_kafka_metadata_t* answer = nullptr;
    const auto code = rd_kafka_metadata(handle_, all ? 1 : 0, topic, &answer, static_cast<int>(left.count()));
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return KafkaMetadata(answer);
    // A connection that broke during the request is made again.
    if (code != RD_KAFKA_RESP_ERR__TRANSPORT || until - Clock::now() <= kMetadataRetriedAfter)
      return tl::make_unexpected(code);
  }
}

namespace {

bool is_too_long(Clock::rep since) {
  return since != 0 && Clock::now().time_since_epoch() - Clock::duration(since) >= kKafkaAwayMax;
}

}  // namespace

Result<void> KafkaClient::check_reachable() {
  if (!is_too_long(away_since_)) return {};
  if (metadata(kProbeWithin)) {  // librdkafka does not report that a broker can be reached again
    broker_answered();
    return {};
  }
  return fail(refused_ ? Reaction::stop : Reaction::retry,
              "No Kafka broker could be reached at {} for {} s. Reported last: {}.", servers_, kKafkaAwayMax.count(),
              last_error());
}

void KafkaClient::broker_answered() {
  if (away_since_.load(std::memory_order_relaxed) == 0) return;
  away_since_ = 0;
  refused_ = false;
  spdlog::info("kafka: a broker answers again at {}", servers_);
}

Result<void> KafkaClient::check_coordinator() const {
  if (!is_too_long(coordinator_away_since_)) return {};
  return fail(Reaction::retry, "The coordinator of our group could not be reached for {} s. Reported last: {}.",
              kKafkaAwayMax.count(), last_error());
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
