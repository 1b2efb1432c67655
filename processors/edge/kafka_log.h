// Kafka as the runtime sees it: a group's share of some topics (KafkaSource), fixed partitions read by oneself (KafkaReader), the log
// written (KafkaSink), and checkpoints read (KafkaCheckpointReader). Each belongs to one thread.
//
// Records keep what they point into alive, also beyond their source. A header that cannot be read counts as absent and
// is logged. A null key or value reads as an empty one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "processors/edge/kafka_client.h"
#include "processors/stream/acknowledged_offsets.h"
#include "processors/stream/checkpoint.h"
#include "processors/stream/ports.h"

namespace fiverate {

class KafkaFetcher;

inline constexpr std::size_t kPollRecordsMax = 2'000;  // of one poll; bounds the records that a revocation discards
inline constexpr std::chrono::seconds kKafkaLeaveWithin{3};  // timeout of leave()
inline constexpr std::chrono::seconds kStalledAfter{30};     // without an acknowledgement for so long, a sink fails
inline constexpr std::chrono::milliseconds kRetryLeftOutEvery{200};  // partitions that the listener left out
inline constexpr std::size_t kRecordBytesMax = 8 * 1024 * 1024;

// The order in which a source returns records of different partitions. Within a partition it is the order of the log.
//
//   as_fetched   as fetched; right if the partitions are independent of each other
//   by_arrival   while there is a backlog, merged by timestamp over all assigned partitions (stream/arrival_merge.h). The other
//                partitions wait at most 2 s for a partition whose log has more records. At the end of the log no partition waits.
//                Of each partition at most kQueueRecords or kQueueKib, and one fetch, are held in memory
enum class ReadOrder : std::uint8_t { as_fetched, by_arrival };

inline constexpr int kQueueRecords = 16'384;  // queued.min.messages
inline constexpr int kQueueKib = 4'096;       // queued.max.messages.kbytes

// Reads the partitions that a consumer group assigns. Partitions of one number are assigned together over all topics (eager range
// assignment). Of the topics of `inputs`, partitions that are not among them are not read, with a warning.
//
//   errors of poll   the listener's own; retry: no broker for kKafkaAwayMax, a topic does not exist, or another member has joined
//                    under the name of this process; stop: refused, or the position is not in the log (auto.offset.reset=error, so
//                    no record is ever skipped without an error)
//   commit           is best effort during a rebalance: an offset that is not committed is committed by the next owner
//   destruction      leaves the group within kKafkaEndWithin without calling the listener: commit before it
//
// `member` is the static name in the group (group.instance.id). A static member that restarts within its session gets its partitions
// back at once; for a dynamic member that was killed, the group waits until its session is over.
//
// The listener has to be set before the first poll. It is called again every kRetryLeftOutEvery for partitions that it left out. When it
// returns positions for them, the other partitions are fetched anew from their positions. Records of a partition that is revoked during
// a poll are not returned.
class KafkaSource final : public Source {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KafkaSource>> open(KafkaSettings settings, const std::string& group,
                                                                 const std::vector<Input>& inputs,
                                                                 const std::string& member = {},
                                                                 ReadOrder order = ReadOrder::as_fetched);
  ~KafkaSource() override;

  void listen(Listener listener) override { listener_ = std::move(listener); }
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  Result<std::map<Input, Committed>> committed(const std::vector<Input>& inputs,
                                               std::chrono::milliseconds within) override;
  Result<void> commit(const std::map<Input, Committed>& positions) override;
  void set_paused(const Input& input, bool paused) override;  // by_arrival only
  Result<std::optional<OffsetRange>> offset_range(const Input& input) override;
  Result<std::map<Topic, std::int32_t>> partition_counts(std::chrono::milliseconds within) override;
  [[nodiscard]] std::map<Input, std::int64_t> lag() const override;

  // True if the group has assigned partitions (or an empty set), and the listener has left none out.
  [[nodiscard]] bool assigned() const { return assigned_ && left_out_.empty(); }
  // Leaves the group and calls the listener's `on_revoked`; other members get the partitions at once. Without it a static member keeps
  // them until its session is over, so that a restart gets them back.
  void leave();

 private:
  KafkaSource(std::string member, const std::vector<Input>& inputs);
  // Reads these inputs from the positions that the listener returns. A retry keeps the other partitions.
  Result<void> assign(const std::vector<Input>& inputs, bool is_retry);
  // Removes partitions that are not among the inputs.
  void keep_inputs(std::vector<Input>& assigned);
  // Error: another member has joined under the name of this process.
  [[nodiscard]] Result<void> check_not_fenced() const;
  void on_rebalance(rd_kafka_resp_err_t code, const rd_kafka_topic_partition_list_t& partitions);

  std::string member_;
  std::set<Input> inputs_;
  std::set<Input> ignored_;  // assigned by the group, but not among the inputs
  Listener listener_;
  std::unique_ptr<KafkaFetcher> fetcher_;
  std::map<Topic, KafkaTopicHandle> topics_;  // before the client in destruction
  bool assigned_ = false;                     // since the last revocation
  std::vector<Input> left_out_;               // assigned, but left out by the listener
  KafkaClient::Clock::time_point assigned_at_;
};

// Where a reader begins.
struct FromTime {
  Millis at = 0;  // the first record whose timestamp is not before this time; without one, the log end offset
};
struct FromLast {
  std::int64_t records = 0;  // this many offsets before the log end offset
};
using FromOffsets = std::map<Input, std::int64_t>;  // a partition that is not named: its first offset
using ReadFrom = std::variant<FromOffsets, FromTime, FromLast>;

struct ReaderOptions {
  std::vector<Input> inputs;
  ReadFrom from;           // default: the first offset
  bool until_end = false;  // stop at the log end offsets of the first poll; finished() is true when all are reached
};

// Reads fixed partitions without a group. If there is a listener, the first poll calls its `on_assigned` with all inputs, and its offsets
// replace `from`. committed() returns no offsets, commit() does nothing.
class KafkaReader final : public Source {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KafkaReader>> open(const KafkaSettings& settings, ReaderOptions options);
  ~KafkaReader() override;

  void listen(Listener listener) override { listener_ = std::move(listener); }
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  bool finished() const override;
  Result<std::map<Input, Committed>> committed(const std::vector<Input>&, std::chrono::milliseconds) override {
    return std::map<Input, Committed>{};
  }
  Result<void> commit(const std::map<Input, Committed>&) override { return {}; }

  // With until_end: where the log of each partition ended at the start. Empty before the first poll.
  [[nodiscard]] std::map<Input, std::int64_t> end_offsets() const;

 private:
  KafkaReader(std::unique_ptr<KafkaFetcher> fetcher, ReaderOptions options);
  Result<void> start();
  [[nodiscard]] Result<std::int64_t> begin_of(const Input& input, const OffsetRange& range) const;

  std::unique_ptr<KafkaFetcher> fetcher_;
  ReaderOptions options_;
  Listener listener_;
  bool started_ = false;
};

// An idempotent producer that retries without limit and never reorders. An empty value is written as null (in a compacted topic it erases
// its key). A timestamp before 1 ms is written as 1 ms, since librdkafka reads 0 as "now".
//
//   errors   stop: the record is too large, writing is not permitted, or the log has lost acknowledged records
//            retry: the buffer is full and no record was acknowledged for kStalledAfter
//            drop_task: a delivery failed, the producer failed, or no record was acknowledged for kStalledAfter during flush. The sink
//            returns this error from then on; open a new one
// Destruction drops the records that are not acknowledged.
class KafkaSink final : public Sink {
 public:
  // `stalled_after`: another time than kStalledAfter, for tests.
  [[nodiscard]] static Result<std::unique_ptr<KafkaSink>> open(const KafkaSettings& settings,
                                                               std::chrono::milliseconds stalled_after = kStalledAfter);

  Result<void> send(OutRecord record) override;
  Result<void> flush() override;
  std::optional<std::int64_t> acknowledged_end(const Input& target, const std::string& sender) const override {
    return offsets_.end(target, sender);
  }

 private:
  explicit KafkaSink(std::chrono::milliseconds stalled_after) : stalled_after_(stalled_after) {}
  void on_delivery(const rd_kafka_message_t& message);
  Result<rd_kafka_topic_t*> handle_of(Topic topic);
  // Error: since `begun` no record was acknowledged for stalled_after_.
  Result<void> check_stalled(KafkaClient::Clock::time_point begun, Reaction reaction) const;

  std::chrono::milliseconds stalled_after_;
  std::shared_ptr<KafkaClient> client_;
  std::map<Topic, KafkaTopicHandle> topics_;  // before the client in destruction: declared behind it
  std::int64_t sent_ = 0;
  std::int64_t acknowledged_ = 0;
  KafkaClient::Clock::time_point last_acknowledged_;
  AcknowledgedOffsets offsets_;
  std::optional<Error> failure_;
};

// Reads single records of the topic `checkpoints`, with a client of its own.
class KafkaCheckpointReader final : public CheckpointReader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KafkaCheckpointReader>> open(const KafkaSettings& settings);
  ~KafkaCheckpointReader() override;
  Result<std::map<std::string, Checkpoint>> find(const std::map<std::string, CheckpointPointer>& tasks) override;

 private:
  explicit KafkaCheckpointReader(std::unique_ptr<KafkaFetcher> fetcher);
  // Visits what the topic holds from one offset up to another.
  Result<void> read(std::int64_t from, std::int64_t end, const std::function<void(const InRecord&)>& visit);

  void warn_of(const InRecord& record);

  std::unique_ptr<KafkaFetcher> fetcher_;
  std::int64_t warned_until_ = 0;
};

}  // namespace fiverate
