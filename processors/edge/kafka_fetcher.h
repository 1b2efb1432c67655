// The inside of kafka_log.h: what source, reader and the search for a last cause read through. Only they include this.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "processors/edge/kafka_client.h"
#include "processors/edge/kafka_log.h"

namespace fiverate {

inline constexpr int kAnswerMs = static_cast<int>(std::chrono::milliseconds(kKafkaAnswerWithin).count());
inline constexpr std::int64_t kNoEnd = std::numeric_limits<std::int64_t>::max();

// "ledger partition 3", for messages.
std::string named(const KafkaSettings& settings, const Input& input);

KafkaPartitions new_list(std::size_t size);
rd_kafka_topic_partition_t& add(rd_kafka_topic_partition_list_t& list, const KafkaSettings& settings,
                                const Input& input);

struct Extent {
  std::int64_t low = 0;
  std::int64_t high = 0;
};
// Error: stop if there is no such partition.
Result<Extent> query_extent(KafkaClient& client, const KafkaSettings& settings, const Input& input);

// Assigned partitions, their positions, and records out of messages.
class KafkaFetcher {
 public:
  KafkaFetcher(KafkaSettings settings, std::shared_ptr<KafkaClient> client)
      : settings_(std::move(settings)), client_(std::move(client)) {}

  struct Place {
    std::int64_t next = 0;      // offset expected, or kFromBeginning, kFromEnd
    std::int64_t end = kNoEnd;  // nothing from here on is handed over
    bool done = false;          // `end` is reached
  };
  using Places = std::map<Input, Place>;

  Result<void> assign(Places places);
  // Their records of the poll at hand go, too: what follows may begin anew before them.
  void unassign();
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
  struct Known {
    const rd_kafka_topic_t* topic = nullptr;
    std::int32_t partition = 0;
    Places::value_type* entry = nullptr;
  };

  void forget();
  Places::value_type* place_of(const rd_kafka_message_t& message);
  void take(KafkaMessage message, Places::value_type& entry, const std::shared_ptr<Batch>& batch,
            std::vector<InRecord>& records);
  Result<void> other_than_record(const rd_kafka_message_t& message);
  Result<void> not_in_log(const Input& input, std::int64_t offset, const char* said);
  Result<void> notice_absence();

  KafkaSettings settings_;
  std::shared_ptr<KafkaClient> client_;
  Places places_;
  std::vector<Known> known_;  // where the messages of a topic handle belong; few, and mostly the last one again
  Known last_;
  std::optional<Error> broken_;  // librdkafka would go on behind it: we do not
  std::vector<InRecord>* taking_ = nullptr;
  std::size_t taking_from_ = 0;
};

}  // namespace fiverate
