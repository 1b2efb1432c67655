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

#include "processors/stream/error.h"
#include "schemas/topics.h"

namespace fiverate {

struct KafkaSettings {
  std::map<std::string, std::string> properties;  // librdkafka's, verbatim: bootstrap.servers, security.protocol, ...
  std::string topic_prefix;                       // "demo." makes demo.orders, demo.ledger, ...
  std::int32_t fetch_kib =
      131'072;  // limit of prefetched records of a consumer (by_arrival: of each partition, at most kQueueKib)
  std::int32_t send_kib = 262'144;  // limit of unacknowledged records of a producer
};

std::string topic_name(const KafkaSettings& settings, Topic topic);
// The topic that has this full name; nullopt if it is not a topic of ours under this prefix.
std::optional<Topic> topic_of(const KafkaSettings& settings, std::string_view name);

// Checks that the properties are complete, known to librdkafka and free of those that fiverate sets itself. Contacts no broker. Error: stop.
[[nodiscard]] Result<void> check_properties(const KafkaSettings& settings);

// Checks that a broker answers. Error: retry, or stop if it refused the client; it names the servers and librdkafka's last report.
[[nodiscard]] Result<void> reach(const KafkaSettings& settings,
                                 std::chrono::milliseconds timeout = std::chrono::seconds(8));

// Translates an error of librdkafka into ours. `what` is a sentence without its full stop; the reason follows it, with librdkafka's
// `detail`. The reaction is never drop_task, because only the sink knows what a failed delivery means.
Error kafka_error(rd_kafka_resp_err_t code, std::string_view what, std::string_view detail = {});

// ---- one client of librdkafka ------------------------------------------------------------------------------------

using KafkaProperties = std::vector<std::pair<std::string, std::string>>;

struct KafkaRole {
  rd_kafka_type_t type = RD_KAFKA_CONSUMER;
  KafkaProperties defaults;  // the user's properties override these
  KafkaProperties fixed;     // the user cannot set these (check_properties refuses them)
  // Called in the thread that polls.
  std::function<void(rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*)> on_rebalance;
  std::function<void(const rd_kafka_message_t&)> on_delivery;
};

KafkaRole consumer_role(std::string group, std::int32_t fetch_kib);
KafkaRole producer_role(std::int32_t send_kib);
KafkaRole admin_role();

// Owns an rd_kafka_t. A source shares it with the records that it returned: their bytes lie in librdkafka's memory, so the client
// lives until the last of them is gone. Destruction takes at most kKafkaEndWithin; a client that does not end by then is leaked and
// logged.
class KafkaClient {
 public:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] static Result<std::shared_ptr<KafkaClient>> open(const KafkaSettings& settings, KafkaRole role);
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  [[nodiscard]] rd_kafka_t* get() const { return handle_; }
  [[nodiscard]] const std::string& servers() const { return servers_; }

  // The last report of librdkafka, or "nothing".
  [[nodiscard]] std::string last_error() const;
  // A broker rejected our credentials, and none has answered since.
  [[nodiscard]] bool refused() const { return refused_; }

  // Since when no broker could be reached; nullopt if one can be, as far as is known. While it is set, each call may probe the brokers:
  // at most once a second, for up to 0.2 s.
  [[nodiscard]] std::optional<Clock::time_point> away_since();
  void broker_answered();

  // Since when the coordinator of our group could not be connected to; nullopt if it can be, as far as is known. librdkafka keeps the
  // old address of a coordinator whose broker restarts at another one (docs/decisions/0022): only a new client connects to the new one.
  [[nodiscard]] std::optional<Clock::time_point> coordinator_away_since() const;
  void coordinator_answered() { coordinator_away_since_ = 0; }

  // Fetches metadata: leaders and controller. A client may send requests to a broker that has died, so a caller whose request timed out
  // calls this before it retries.
  void refresh_metadata(std::chrono::milliseconds within);

  // Remembers and logs an error that librdkafka or a broker reported.
  void on_error(rd_kafka_resp_err_t code, std::string_view reported);

 private:
  explicit KafkaClient(KafkaRole role) : role_(std::move(role)) {}
  void log(int level, std::string_view facility, std::string_view line);

  KafkaRole role_;
  std::string servers_;
  rd_kafka_t* handle_ = nullptr;

  mutable std::mutex mutex_;  // librdkafka logs from its own threads
  std::string last_error_;
  std::atomic<bool> refused_ = false;
  std::atomic<Clock::rep> away_since_ = 0;  // 0: reachable
  std::atomic<Clock::rep> coordinator_away_since_ = 0;
  Clock::time_point probed_{};
  struct LastLine {
    Clock::time_point logged;
    std::int64_t suppressed = 0;  // lines of this kind since then
  };
  std::map<std::string, LastLine> last_lines_;  // by facility
};

inline constexpr std::chrono::seconds kKafkaEndWithin{5};

// Runs `work` in a new thread and waits for it, at most `within`. False: it still runs, detached, so it must own everything that it uses.
bool run_within(std::chrono::milliseconds within, std::function<void()> work);

// ---- owners of librdkafka's objects -------------------------------------------------------------------------

template <auto Destroy>
struct KafkaDestroy {
  template <typename T>
  void operator()(T* thing) const {
    Destroy(thing);
  }
};
using KafkaConf = std::unique_ptr<rd_kafka_conf_t, KafkaDestroy<rd_kafka_conf_destroy>>;
using KafkaPartitions =
    std::unique_ptr<rd_kafka_topic_partition_list_t, KafkaDestroy<rd_kafka_topic_partition_list_destroy>>;
using KafkaTopicHandle = std::unique_ptr<rd_kafka_topic_t, KafkaDestroy<rd_kafka_topic_destroy>>;
using KafkaMessage = std::unique_ptr<rd_kafka_message_t, KafkaDestroy<rd_kafka_message_destroy>>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, KafkaDestroy<rd_kafka_queue_destroy>>;
using KafkaEvent = std::unique_ptr<rd_kafka_event_t, KafkaDestroy<rd_kafka_event_destroy>>;
using KafkaHeaders = std::unique_ptr<rd_kafka_headers_t, KafkaDestroy<rd_kafka_headers_destroy>>;
using KafkaError = std::unique_ptr<rd_kafka_error_t, KafkaDestroy<rd_kafka_error_destroy>>;
struct KafkaMetadataDestroy {
  void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
};
using KafkaMetadata = std::unique_ptr<const rd_kafka_metadata_t, KafkaMetadataDestroy>;

}  // namespace fiverate
