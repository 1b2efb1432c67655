// The inside of kafka_log.h: what source, reader, the search for a last cause and kafka_groups.h ask and read
// through. Only they include this.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "processors/edge/kafka_client.h"
#include "processors/edge/kafka_log.h"
#include "processors/stream/arrival_merge.h"

namespace fiverate {

inline constexpr int kAnswerMs = static_cast<int>(std::chrono::milliseconds(kKafkaAnswerWithin).count());
inline constexpr std::int64_t kNoEnd = std::numeric_limits<std::int64_t>::max();

// "ledger partition 3", for messages.
std::string named(const KafkaSettings& settings, const Input& input);

KafkaPartitions new_list(std::size_t size);
rd_kafka_topic_partition_t& add(rd_kafka_topic_partition_list_t& list, const KafkaSettings& settings,
                                const Input& input);

// Error: stop if there is no such partition.
Result<OffsetRange> query_extent(KafkaClient& client, const KafkaSettings& settings, const Input& input);

// Rung by librdkafka's threads where a queue that was empty gets something.
class KafkaBell {
 public:
  void ring();
  // Forgets what rang so far: look at the queues after it, then wait.
  void mute();
  void wait_until(std::chrono::steady_clock::time_point deadline);

 private:
  std::mutex mutex_;
  std::condition_variable rang_;
  bool ringing_ = false;
};

// Assigned partitions, their positions, and records out of messages.
//
// By arrival, every partition has a lane: its own queue in librdkafka, no longer part of the consumer's one queue. So
// it is taken from alone and bounded alone; while it is full its partition is not fetched. ArrivalMerge chooses among
// the heads of the lanes. More is to come of a partition if nothing was heard of it since it was assigned (the high
// watermark may be an old one), or if its position is below the high watermark of its last fetch and no end was
// reported since its last record (what is left may be markers of transactions). One fetch brings records and high
// watermark together, so what comes live is the last that is known, and waits for nobody.
class KafkaFetcher {
 public:
  KafkaFetcher(KafkaSettings settings, std::shared_ptr<KafkaClient> client, ReadOrder order = ReadOrder::as_fetched)
      : settings_(std::move(settings)), client_(std::move(client)), order_(order) {}

  struct Place {
    std::int64_t next = 0;      // offset expected, or kFromBeginning, kFromEnd
    std::int64_t end = kNoEnd;  // nothing from here on is handed over
    bool done = false;          // `end` is reached
    bool ended = false;         // nothing was behind the last record, but perhaps marks of transactions
  };
  using Places = std::map<Input, Place>;

  Result<void> assign(Places places);
  // Their records of the poll at hand go, too: what follows may begin anew before them.
  void unassign();
  // Lets go of librdkafka's queues, as it wants before the consumer is closed. Nothing can be read any more.
  void release();
  // The poll at hand and every one behind it says so.
  void break_with(Error error) { broken_ = std::move(error); }
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records);

  [[nodiscard]] bool all_done() const;
  [[nodiscard]] const Places& places() const { return places_; }
  [[nodiscard]] const KafkaSettings& settings() const { return settings_; }
  [[nodiscard]] KafkaClient& client() const { return *client_; }

 private:
  // What a poll took. The client goes last: the messages lie in its memory.
  struct Batch {
    std::shared_ptr<KafkaClient> client;
    std::vector<KafkaMessage> messages;
  };
  struct QueueRelease {
    void operator()(rd_kafka_queue_t* queue) const;
  };
  struct Lane {
    Places::value_type* entry = nullptr;
    std::unique_ptr<rd_kafka_queue_t, QueueRelease> queue;
    KafkaMessage head;   // the next record
    bool heard = false;  // a record, or that there is none
    bool ended = false;  // there was none behind the last record
  };
  struct Known {
    const rd_kafka_topic_t* topic = nullptr;
    std::int32_t partition = 0;
    Places::value_type* entry = nullptr;
  };

  void read_as_fetched(std::chrono::milliseconds wait, const std::shared_ptr<Batch>& batch,
                       std::vector<InRecord>& records);
  void read_by_arrival(std::chrono::milliseconds wait, const std::shared_ptr<Batch>& batch,
                       std::vector<InRecord>& records);
  void open_lanes();
  void look_into(std::size_t number);
  [[nodiscard]] bool has_more(const Lane& lane) const;
  void forget();
  Places::value_type* place_of(const rd_kafka_message_t& message);
  void take(KafkaMessage message, Places::value_type& entry, const std::shared_ptr<Batch>& batch,
            std::vector<InRecord>& records);
  Result<void> other_than_record(const rd_kafka_message_t& message);
  Result<void> not_in_log(const Input& input, std::int64_t offset, const char* said);
  Result<void> notice_absence();

  KafkaSettings settings_;
  std::shared_ptr<KafkaClient> client_;
  ReadOrder order_;
  Places places_;
  KafkaBell bell_;
  std::vector<Lane> lanes_;  // by arrival only; one for each of places_, in their order
  ArrivalMerge merge_;
  std::vector<Known> known_;  // where the messages of a topic handle belong; few, and mostly the last one again
  Known last_;
  std::optional<Error> broken_;  // librdkafka would go on behind it: we do not
  std::vector<InRecord>* taking_ = nullptr;
  std::size_t taking_from_ = 0;
};

}  // namespace fiverate
