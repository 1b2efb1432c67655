// The offsets at which a producer's records were acknowledged. Each record gets a higher offset than the records sent to its partition
// before it. A lower one means that the log has lost acknowledged records (an unclean election) or was created again.
//
// Not every acknowledgement has an offset (librdkafka, rdkafka_request.c and rdkafka_msg.c):
//   a repeated batch that the broker remembers    its first offset; later records may be acknowledged already, so `number` gives the order
//   a repeated batch that the broker has dropped  its records are counted from -1 on: -1, 0, 1, 2...
//   a batch that a later success implies          RD_KAFKA_OFFSET_INVALID, negative
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "processors/stream/ports.h"

namespace fiverate {

class AcknowledgedOffsets {
 public:
  // Call it before a record without a link is sent. `number` counts all records of the producer.
  void sent(const Input& target, std::int64_t number, const Cause& cause) {
    last_sent_[target][cause.sender] = {number, 0};
  }

  // The `number`th record was acknowledged at this offset. Error: stop.
  [[nodiscard]] Result<void> acknowledged(const Input& target, std::int64_t number, std::int64_t offset) {
    auto& last = last_[target];
    if (offset < 0 || offset == last.next_uncounted) {
      last.next_uncounted = offset + 1;
      return {};
    }
    last.next_uncounted.reset();
    if (const auto senders = last_sent_.find(target); senders != last_sent_.end()) {
      for (auto& [sender, sent] : senders->second) {
        if (sent.number == number) sent.end = offset + 1;
      }
    }
    if (number < last.number) return {};
    if (offset <= last.offset) {
      return fail(Reaction::stop,
                  "{} partition {} has lost acknowledged records: the next one came to offset {} after {}. Was a "
                  "broker elected that was behind (unclean.leader.election.enable), or the topic created again?",
                  name_of(target.topic), target.partition, offset, last.offset);
    }
    last.number = number;
    last.offset = offset;
    return {};
  }

  // One past the last record that `sender` sent to this partition. Nothing: it is not acknowledged, or its offset is unknown.
  [[nodiscard]] std::optional<std::int64_t> end(const Input& target, const std::string& sender) const {
    const auto senders = last_sent_.find(target);
    if (senders == last_sent_.end()) return std::nullopt;
    const auto sent = senders->second.find(sender);
    if (sent == senders->second.end() || sent->second.end == 0) return std::nullopt;
    return sent->second.end;
  }

 private:
  struct Last {
    std::int64_t number = -1;
    std::int64_t offset = -1;
    std::optional<std::int64_t> next_uncounted;  // reported for the next record if its batch has no offsets
  };
  struct Sent {
    std::int64_t number = -1;
    std::int64_t end = 0;  // 0: unknown
  };
  std::map<Input, Last> last_;
  std::map<Input, std::map<std::string, Sent>> last_sent_;  // by sender
};

}  // namespace fiverate
