// Internal to the Kafka edge: how source and reader read assigned partitions.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "processors/edge/kafka_log.h"
#include "processors/stream/arrival_merge.h"

namespace fiverate {

inline constexpr std::int64_t kNoEnd = std::numeric_limits<std::int64_t>::max();

// librdkafka's threads notify it when an empty partition queue gets a message.
class Wakeup {
 public:
  void notify();
  // Forgets earlier notifications. Call it before the queues are checked, and wait after that.
  void reset();
  void wait_until(std::chrono::steady_clock::time_point deadline);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = false;
};

// Reads assigned partitions, keeps the position in each, and makes records out of librdkafka's messages.
//
// With ReadOrder::by_arrival every partition has its own queue in librdkafka instead of the consumer's common queue, so it is read and
// bounded separately; librdkafka does not fetch a partition whose queue is full. ArrivalMerge chooses among the heads of the queues.
// A partition with an empty queue has more records to come
//   - if nothing was received from it since the assignment, since its known high watermark may be old, or
//   - if its position is below the high watermark of its last fetch and no end was reported since its last record. (The offsets up to
//     the high watermark may be markers of transactions, which are never received.)
// A fetch response brings records and high watermark together, so a live record is the last one known and waits for no other partition.
class KafkaFetcher {
 public:
  explicit KafkaFetcher(std::shared_ptr<KafkaClient> client, ReadOrder order = ReadOrder::as_fetched)
      : client_(std::move(client)), order_(order) {}

  struct Position {
    std::int64_t next = 0;      // the next offset
    std::int64_t end = kNoEnd;  // records from this offset on are not returned
    bool at_end = false;        // the log ended after the last record received, but for markers of transactions
  };
  using Positions = std::map<Input, Position>;

  Result<void> assign(Positions positions);
  // Also removes the records of these partitions from the current poll, since the next owner may begin before them.
  void unassign();
  // Frees librdkafka's queues, which it requires before the consumer is closed. Nothing can be read after it.
  void release();
  // The current poll and all later ones return this error.
  void fail_with(Error error) { failure_ = std::move(error); }
  // By arrival only: a paused partition is not read; the others do not wait for it.
  void set_paused(const Input& input, bool paused);
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records);

  [[nodiscard]] bool all_done() const;
  [[nodiscard]] const Positions& positions() const { return positions_; }
  // The offsets of an assigned partition as of its last fetch; -1: unknown.
  [[nodiscard]] OffsetRange known_range(const Input& input) const;
  [[nodiscard]] KafkaClient& client() const { return *client_; }
  [[nodiscard]] const std::shared_ptr<KafkaClient>& shared_client() const { return client_; }
  [[nodiscard]] const KafkaSettings& settings() const { return client_->settings(); }

 private:
  // The messages of one poll. The client is destroyed after them, because they lie in its memory.
  struct Batch {
    std::shared_ptr<KafkaClient> client;
    std::vector<KafkaMessage> messages;
  };
  struct QueueRelease {
    void operator()(rd_kafka_queue_t* queue) const;
  };
  struct PartitionQueue {
    Positions::value_type* entry = nullptr;
    std::unique_ptr<rd_kafka_queue_t, QueueRelease> queue;
    KafkaMessage head;      // the next record
    bool received = false;  // a record or an end, since the assignment
    bool paused = false;    // by set_paused()
  };
  struct KnownPartition {
    const rd_kafka_topic_t* topic = nullptr;
    std::int32_t partition = 0;
    Positions::value_type* entry = nullptr;
  };

  void read_as_fetched(std::chrono::milliseconds wait);
  void read_by_arrival(std::chrono::milliseconds wait);
  void open_queues();
  // Reads the next record of a partition queue into its head, if there is one.
  void read_head(std::size_t number);
  [[nodiscard]] bool has_more(const PartitionQueue& queue) const;
  void forget_assignment();
  // nullptr: the partition is not assigned (any more).
  Positions::value_type* position_of(const rd_kafka_message_t& message);
  void append(KafkaMessage message, Positions::value_type& entry);
  // An end of a partition, or an error, which may become the failure_.
  void on_event(const rd_kafka_message_t& message);
  Error position_error(const Input& input, std::int64_t offset, std::string_view reported);

  std::shared_ptr<KafkaClient> client_;
  ReadOrder order_;
  Positions positions_;
  Wakeup wakeup_;
  std::vector<PartitionQueue> queues_;  // by_arrival only; in the order of positions_
  ArrivalMerge merge_;
  KnownPartition last_;           // of position_of(): messages of a partition come together
  std::optional<Error> failure_;  // librdkafka would continue after it
  // Of the current poll:
  std::shared_ptr<Batch> batch_;
  std::vector<InRecord>* polled_ = nullptr;
  std::size_t polled_from_ = 0;  // the first of its records in polled_
};

}  // namespace fiverate
