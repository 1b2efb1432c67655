// The way to Kafka that source, sink and admin share: settings, names of topics, one client of librdkafka with its
// callbacks, and the one function that turns librdkafka's errors into ours. Translates and decides nothing.
//
// librdkafka keeps trying on its own while brokers are away. What it reports meanwhile is remembered (last_error) and
// logged, at most one line of a kind in 10 s. Values of properties are never printed: some are secrets.
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
  std::int32_t fetch_kib = 131'072;  // what a consumer holds of what it has fetched ahead, at most (by_arrival: of each partition kLaneKib)
  std::int32_t send_kib = 262'144;   // what a producer holds that is not yet acknowledged
};

std::string topic_name(const KafkaSettings& settings, Topic topic);
// The topic behind a full name; nothing if it is not one of ours under this prefix.
std::optional<Topic> topic_of(const KafkaSettings& settings, std::string_view name);

// Are the properties complete, known to librdkafka and free of those that are ours? Asks no broker. Error: stop.
[[nodiscard]] Result<void> check_properties(const KafkaSettings& settings);

// Does a broker answer? Error: retry, or stop if it refused us; names the servers and what librdkafka said last.
[[nodiscard]] Result<void> reach(const KafkaSettings& settings,
                                 std::chrono::milliseconds timeout = std::chrono::seconds(8));

// The one place that turns librdkafka's errors into ours. `what` is a sentence without its full stop; the reason
// follows. drop_task is not among the answers: what a failed delivery means only the sink knows.
Error kafka_error(rd_kafka_resp_err_t code, std::string_view what, std::string_view said = {});

// ---- one client of librdkafka ------------------------------------------------------------------------------------

using KafkaProperties = std::vector<std::pair<std::string, std::string>>;

struct KafkaRole {
  rd_kafka_type_t type = RD_KAFKA_CONSUMER;
  KafkaProperties defaults;  // the user's beat these
  KafkaProperties fixed;     // these beat the user's, for which check_properties has refused them
  // Called in the thread that polls.
  std::function<void(rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*)> on_rebalance;
  std::function<void(const rd_kafka_message_t&)> on_delivery;
};

KafkaRole consumer_role(std::string group, std::int32_t fetch_kib);
KafkaRole producer_role(std::int32_t send_kib);
KafkaRole admin_role();

// Owns an rd_kafka_t. Shared by a source and the records it handed out: their bytes lie in librdkafka's memory, so the
// client goes when the last of them has gone. Ending it takes at most kKafkaEndWithin; a client that does not end is
// left to itself and logged.
class KafkaClient {
 public:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] static Result<std::shared_ptr<KafkaClient>> open(const KafkaSettings& settings, KafkaRole role);
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  [[nodiscard]] rd_kafka_t* get() const { return handle_; }
  [[nodiscard]] const std::string& servers() const { return servers_; }

  // What librdkafka reported last, "nothing" if it did not; and whether it was that a broker refused us.
  [[nodiscard]] std::string last_error() const;
  [[nodiscard]] bool refused() const { return refused_; }

  // Since when no broker could be reached; nothing: one can be, as far as is known. While it is set, asks for one at
  // most every second (up to 0.2 s).
  [[nodiscard]] std::optional<Clock::time_point> away_since();
  void broker_answered();

  // Since when the coordinator of our group was not to be connected to; nothing: it is, as far as is known. librdkafka goes
  // on at its old address when a broker comes back at another one: only another client finds it there.
  [[nodiscard]] std::optional<Clock::time_point> coordinator_away_since() const;
  void coordinator_answered() { coordinator_away_since_ = 0; }

  // Asks anew who leads and who is the controller. A client may go on asking one that has died: whoever has waited for an
  // answer in vain calls this, and asks again.
  void look_around(std::chrono::milliseconds within);

  // Remembers and logs what librdkafka or a broker said.
  void heard(rd_kafka_resp_err_t code, std::string_view said);

 private:
  explicit KafkaClient(KafkaRole role) : role_(std::move(role)) {}
  void log(int level, std::string_view facility, std::string_view line);

  KafkaRole role_;
  std::string servers_;
  rd_kafka_t* handle_ = nullptr;

  mutable std::mutex mutex_;  // librdkafka logs from its own threads
  std::string last_error_;
  std::atomic<bool> refused_ = false;
  std::atomic<Clock::rep> away_since_ = 0;  // 0: not away
  std::atomic<Clock::rep> coordinator_away_since_ = 0;
  Clock::time_point probed_{};
  struct Quiet {
    Clock::time_point since;
    std::int64_t swallowed = 0;
  };
  std::map<std::string, Quiet> quiet_;  // by facility
};

inline constexpr std::chrono::seconds kKafkaEndWithin{5};

// Runs `work` in a thread of its own and waits for it, at most `within`. False: it still runs, and is left to itself
// (it must own all that it touches).
bool run_within(std::chrono::milliseconds within, std::function<void()> work);

// ---- owners of librdkafka's small things -------------------------------------------------------------------------

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
