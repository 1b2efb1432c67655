// The part of the Kafka edge that source, sink and admin share: settings, topic names, one librdkafka client with its callbacks, and
// the one function that translates librdkafka's errors into ours.
//
// librdkafka retries on its own while brokers are unreachable. Its reports are remembered (last_error) and logged, at most one line of
// a kind in 10 s. Values of properties are never printed, because some are secrets.
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "processors/stream/ports.h"

namespace fiverate {

struct KafkaSettings {
  std::map<std::string, std::string> properties;  // librdkafka's, verbatim: bootstrap.servers, security.protocol, ...
  std::string topic_prefix;                       // "demo." makes demo.orders, demo.ledger, ...
  // Limit of prefetched records of a consumer (by_arrival: of each partition, at most kQueueKib).
  std::int32_t fetch_kib = 131'072;
  std::int32_t send_kib = 262'144;  // limit of unacknowledged records of a producer
};

std::string topic_name(const KafkaSettings& settings, Topic topic);
// "demo.ledger partition 3", for messages.
std::string partition_name(const KafkaSettings& settings, const Input& input);
// The topic that has this full name; nullopt if it is not a topic of ours under this prefix.
std::optional<Topic> topic_of(const KafkaSettings& settings, std::string_view name);

// Checks that the properties are complete, known to librdkafka and free of those that fiverate sets itself. Contacts no broker. Error: stop.
[[nodiscard]] Result<void> check_properties(const KafkaSettings& settings);

// Checks that a broker answers. Error: retry, or stop if it refused the client; it names the servers and librdkafka's last report.
[[nodiscard]] Result<void> reach(const KafkaSettings& settings,
                                 std::chrono::milliseconds timeout = std::chrono::seconds(8));

// ---- owners of librdkafka's objects -------------------------------------------------------------------------

template <auto Destroy>
struct KafkaDestroy {
  template <typename T>
  void operator()(T* thing) const {
    Destroy(thing);
  }
};
template <typename T, auto Destroy>
using KafkaOwned = std::unique_ptr<T, KafkaDestroy<Destroy>>;
using KafkaConf = KafkaOwned<rd_kafka_conf_t, rd_kafka_conf_destroy>;
using KafkaPartitions = KafkaOwned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using KafkaTopicHandle = KafkaOwned<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using KafkaMessage = KafkaOwned<rd_kafka_message_t, rd_kafka_message_destroy>;
using KafkaQueue = KafkaOwned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using KafkaEvent = KafkaOwned<rd_kafka_event_t, rd_kafka_event_destroy>;
using KafkaHeaders = KafkaOwned<rd_kafka_headers_t, rd_kafka_headers_destroy>;
using KafkaError = KafkaOwned<rd_kafka_error_t, rd_kafka_error_destroy>;
using KafkaMetadata = KafkaOwned<const rd_kafka_metadata_t, rd_kafka_metadata_destroy>;

// ---- one client of librdkafka ------------------------------------------------------------------------------------

using KafkaProperties = std::vector<std::pair<std::string, std::string>>;
// Called in the thread that polls.
using OnRebalance = std::function<void(rd_kafka_resp_err_t, const rd_kafka_topic_partition_list_t&)>;

struct KafkaRole {
  rd_kafka_type_t type = RD_KAFKA_PRODUCER;
  KafkaProperties defaults;  // the user's properties override these
  KafkaProperties fixed;     // the user cannot set these (check_properties refuses them)
  OnRebalance on_rebalance;
  std::function<void(const rd_kafka_message_t&)> on_delivery;  // called in the thread that polls
};

KafkaRole consumer_role(const KafkaSettings& settings, std::string group);
KafkaRole producer_role(const KafkaSettings& settings);

inline constexpr std::chrono::seconds kKafkaAwayMax{10};       // without any broker for so long, poll returns an error
inline constexpr std::chrono::seconds kKafkaAnswerWithin{10};  // timeout of one request to the broker
inline constexpr std::chrono::seconds kKafkaEndWithin{5};
inline constexpr int kAnswerMs = static_cast<int>(std::chrono::milliseconds(kKafkaAnswerWithin).count());

// Owns an rd_kafka_t. A source shares it with the records that it returned: their bytes lie in librdkafka's memory, so the client
// lives until the last of them is gone. Destruction takes at most kKafkaEndWithin; a client that does not end by then is leaked and
// logged.
class KafkaClient {
 public:
  using Clock = std::chrono::steady_clock;

  // The default role is that of an admin client.
  [[nodiscard]] static Result<std::shared_ptr<KafkaClient>> open(const KafkaSettings& settings, KafkaRole role = {});
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  [[nodiscard]] rd_kafka_t* get() const { return handle_; }
  [[nodiscard]] const KafkaSettings& settings() const { return settings_; }
  [[nodiscard]] const std::string& servers() const { return servers_; }
  [[nodiscard]] std::string name(const Input& input) const { return partition_name(settings_, input); }

  // Translates an error of librdkafka into ours. `what` is a sentence without its full stop; the servers and the reason follow it, with
  // `detail` or else last_error(). The reaction is never drop_task, because only the sink knows what a failed delivery means.
  [[nodiscard]] tl::unexpected<Error> failed(rd_kafka_resp_err_t code, std::string_view what,
                                             std::string_view detail = {}) const;
  // The last report of librdkafka, or "nothing".
  [[nodiscard]] std::string last_error() const;

  // Brokers, leaders and controller; with `all`, all topics; with `topic`, this one. It also updates what the client knows of them: it
  // may send requests to a broker that has died, so a caller whose request timed out calls this before it retries.
  tl::expected<KafkaMetadata, rd_kafka_resp_err_t> metadata(std::chrono::milliseconds within, bool all = false,
                                                            rd_kafka_topic_t* topic = nullptr);

  // Error: no broker could be reached for kKafkaAwayMax (retry), or the last one refused our credentials (stop).
  [[nodiscard]] Result<void> check_reachable();
  void broker_answered();
  // Error (retry): the coordinator of our group could not be reached for kKafkaAwayMax. librdkafka keeps the old address of a coordinator
  // whose broker restarts at another one (docs/decisions/0022): only a new client connects to the new one.
  [[nodiscard]] Result<void> check_coordinator() const;
  void coordinator_answered() { coordinator_away_since_ = 0; }

  // From the thread that polls. The role has a callback already.
  void replace_on_rebalance(OnRebalance callback) { role_.on_rebalance = std::move(callback); }

  // Remembers and logs an error that librdkafka or a broker reported.
  void on_error(rd_kafka_resp_err_t code, std::string_view reported);

 private:
  KafkaClient(KafkaSettings settings, KafkaRole role) : settings_(std::move(settings)), role_(std::move(role)) {}
  friend Result<void> reach(const KafkaSettings& settings, std::chrono::milliseconds timeout);
  void log(int level, std::string_view facility, std::string_view line);

  KafkaSettings settings_;
  KafkaRole role_;
  std::string servers_;
  rd_kafka_t* handle_ = nullptr;

  mutable std::mutex mutex_;  // librdkafka logs from its own threads
  std::string last_error_;
  std::atomic<bool> refused_ = false;       // a broker rejected our credentials, and none has answered since
  std::atomic<Clock::rep> away_since_ = 0;  // 0: reachable, as far as is known
  std::atomic<Clock::rep> coordinator_away_since_ = 0;
  struct LastLine {
    Clock::time_point logged;
    std::int64_t suppressed = 0;  // lines of this kind since then
  };
  std::map<std::string, LastLine> last_lines_;  // by facility
};

// Runs `work` in a new thread and waits for it, at most `within`. False: it still runs, so it must own everything that it uses.
bool run_within(std::chrono::milliseconds within, std::function<void()> work);

}  // namespace fiverate
