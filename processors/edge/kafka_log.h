// Kafka as the runtime sees it: a group's share of some topics (KafkaSource), fixed partitions read by oneself
// (KafkaReader), and the log written (KafkaSink). Each belongs to one thread.
//
// Records keep what they point into alive, also beyond their source. A header that cannot be read counts as absent and
// is logged. A null key or value reads as an empty one.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "processors/edge/kafka_client.h"
#include "processors/stream/checkpoint.h"
#include "processors/stream/ports.h"

namespace fiverate {

// As an offset to begin at: wherever the log begins, wherever it ends.
inline constexpr std::int64_t kFromBeginning = RD_KAFKA_OFFSET_BEGINNING;
inline constexpr std::int64_t kFromEnd = RD_KAFKA_OFFSET_END;

inline constexpr std::size_t kPollRecordsMax = 2'000;     // a poll hands over at most; bounds what a revoke throws away
inline constexpr std::chrono::seconds kKafkaAwayMax{10};  // without any broker for so long: poll says retry
inline constexpr std::chrono::seconds kKafkaAnswerWithin{10};  // one question to the broker
inline constexpr std::chrono::seconds kKafkaLeaveWithin{3};    // leave()
inline constexpr std::chrono::seconds kStalledAfter{30};       // nothing acknowledged for so long: a sink gives up
inline constexpr std::chrono::milliseconds kAskAgainEvery{200};  // a listener for what it left out
inline constexpr std::size_t kRecordBytesMax = 8 * 1024 * 1024;

// In what order a source hands over what several partitions hold; within a partition it is always the log's.
//
//   as_fetched   as it comes: right where partitions have nothing to do with each other
//   by_arrival   while there is a backlog, merged by timestamp over all assigned partitions (stream/arrival_merge.h): a
//                partition of which more is known to be in the log holds the others back until it has come, at most 2 s.
//                At the end of the log nothing waits. Of each partition at most kLaneRecords or kLaneKib, and one fetch,
//                are held in memory
enum class ReadOrder : std::uint8_t { as_fetched, by_arrival };

inline constexpr int kLaneRecords = 16'384;  // queued.min.messages
inline constexpr int kLaneKib = 4'096;       // queued.max.messages.kbytes

// The partitions that a consumer group gives us, all of a number together over its topics (eager range assignment).
//
//   errors of poll   the listener's own; retry: no broker for kKafkaAwayMax, a topic is not there, or another member has come
//                    under our name; stop: refused, or the position is not in the log (auto.offset.reset=error: nothing is ever
//                    skipped silently)
//   commit           best effort while the group is being shared out anew: what is lost is committed by the next owner
//   destruction      leaves the group within kKafkaEndWithin and tells the listener nothing: commit before
//
// A `member` has a name of its own in the group (group.instance.id): started again within its session it gets its
// partitions back at once, where a nameless one that was killed is waited for.
//
// A partition that the listener leaves out is asked for again every kAskAgainEvery; when it answers, the others are fetched anew from
// where they are.
//
// Records that this poll took before their partition was revoked are not handed over. Without a listener a partition
// begins where the group committed, else at its beginning.
class KafkaSource final : public Source {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KafkaSource>> open(const KafkaSettings& settings,
                                                                 const std::string& group,
                                                                 const std::vector<Topic>& topics,
                                                                 const std::string& member = {},
                                                                 ReadOrder order = ReadOrder::as_fetched);
  ~KafkaSource() override;

  void listen(Listener listener) override;
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  Result<std::map<Input, Committed>> committed(const std::vector<Input>& inputs, std::chrono::milliseconds within) override;
  Result<void> commit(const std::map<Input, Committed>& positions) override;
  Result<std::optional<OffsetRange>> offset_range(const Input& input) override;
  [[nodiscard]] std::map<Input, std::int64_t> lag() const override;

  // The group has given us our share, if only an empty one, and the listener has left nothing out.
  [[nodiscard]] bool assigned() const;
  // Leaves the group: its partitions go to others at once. Without it a member with a name keeps them until its session is over, for
  // a restart to take them up again. Calls the listener's `revoked`.
  void leave();

 private:
  struct Parts;
  explicit KafkaSource(std::shared_ptr<Parts> parts);
  std::shared_ptr<Parts> parts_;  // shared with a close that does not end
};

// Where a reader begins.
struct FromTime {
  Millis at = 0;  // the first record whose timestamp is not before; none: the end
};
struct FromTail {
  std::int64_t records = 0;  // so many offsets before the end
};
using FromOffsets = std::map<Input, std::int64_t>;  // a partition not named: its beginning
using ReadFrom = std::variant<FromOffsets, FromTime, FromTail>;

struct ReaderOptions {
  std::vector<Input> inputs;
  ReadFrom from;  // default: the beginning
  bool until_end = false;  // finished() once each partition is where it ended at the first poll; nothing behind it
};

// Fixed partitions, no group. The listener's `assigned`, if there is one, is called in the first poll with all inputs,
// and its offsets beat `from`. committed() knows nothing, commit() does nothing.
class KafkaReader final : public Source {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KafkaReader>> open(const KafkaSettings& settings, ReaderOptions options);
  ~KafkaReader() override;

  void listen(Listener listener) override;
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  bool finished() const override;
  Result<std::map<Input, Committed>> committed(const std::vector<Input>&, std::chrono::milliseconds) override {
    return std::map<Input, Committed>{};
  }
  Result<void> commit(const std::map<Input, Committed>&) override { return {}; }

  // How far, for a progress bar: next offset, and the end at the first poll. Empty before it.
  struct Span {
    std::int64_t begin = 0;
    std::int64_t next = 0;
    std::int64_t end = 0;
  };
  [[nodiscard]] std::map<Input, Span> spans() const;

 private:
  struct Parts;
  explicit KafkaReader(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// An idempotent producer that never gives up by itself and never reorders. An empty value is written as null (in a
// compacted topic it erases its key); a timestamp before 1 ms is written as 1 ms, since 0 would mean "now" to
// librdkafka.
//
//   errors   stop: the record is too large, or we may not write, or the log has lost what it acknowledged; retry: no room and nothing
//            moves for kStalledAfter;
//            drop_task: a delivery failed, the producer broke, or flush saw nothing move for kStalledAfter: this object
//            is dead from then on and says so each time; make a new one
// Destruction drops what is not acknowledged.
class KafkaSink final : public Sink {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KafkaSink>> open(const KafkaSettings& settings);
  ~KafkaSink() override;

  Result<void> send(OutRecord record) override;
  Result<void> flush() override;
  std::optional<std::int64_t> acknowledged_end(const Input& target, const std::string& sender) const override;

  // For tests: fails sooner than kStalledAfter.
  void fail_after(std::chrono::milliseconds stalled);

 private:
  struct Parts;
  explicit KafkaSink(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Reads single records of the topic `checkpoints`, with a client of its own.
class KafkaCheckpointReader final : public CheckpointReader {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KafkaCheckpointReader>> open(const KafkaSettings& settings);
  ~KafkaCheckpointReader() override;
  Result<std::map<std::string, Checkpoint>> find(const std::map<std::string, CheckpointPointer>& tasks) override;

 private:
  struct Parts;
  explicit KafkaCheckpointReader(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fiverate
