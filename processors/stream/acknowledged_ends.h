// How far a producer knows the partitions that it writes to be filled. A log grows, so each record comes to a higher offset than those
// sent before it; a lower one means that the log has lost an end that was acknowledged (an unclean election), or was made anew. It
// notices while a process lives what nobody has read yet and no chain ties together.
//
// Not every acknowledgement tells where a record stands (librdkafka 2.0.2, rdkafka_request.c and rdkafka_msg.c):
//   a repetition that the broker knows       its first offset, perhaps after later records were acknowledged: the numbers tell the order
//   one that it knows no details of any more (DUPLICATE_SEQUENCE_NUMBER) its records are counted on from -1: -1, 0, 1, 2...
//   one that a later success stands for      RD_KAFKA_OFFSET_INVALID, negative
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "processors/stream/ports.h"

namespace fiverate {

class AcknowledgedEnds {
 public:
  // The record that was sent as the `number`th (rising, of all partitions together) stands at this offset; those of a batch come one after
  // another. Nothing: as it should be, or it tells nothing. An error: stop.
  [[nodiscard]] Result<void> note(const Input& target, std::int64_t number, std::int64_t offset) {
    auto& end = ends_[target];
    if (offset < 0 || offset == end.untold) {
      end.untold = offset + 1;
      return {};
    }
    end.untold.reset();
    if (const auto senders = last_sent_.find(target); senders != last_sent_.end()) {
      for (auto& [sender, sent] : senders->second) {
        if (sent.number == number) sent.end = offset + 1;
      }
    }
    if (number < end.number) return {};
    if (offset <= end.offset) {
      return fail(Reaction::stop,
                  "{} partition {} has lost records that were acknowledged: the next one came to offset {} after {}. "
                  "Was a broker elected "
                  "that was behind (unclean.leader.election.enable), or the topic made anew? What follows from the "
                  "lost records is not to be "
                  "had from this log.",
                  name_of(target.topic), target.partition, offset, end.offset);
    }
    end.number = number;
    end.offset = offset;
    return {};
  }

  // From the `number`th record on: as if one had been acknowledged at end - 1. (Those before may be on their way still.)
  void know(const Input& target, std::int64_t end, std::int64_t number) {
    auto& known = ends_[target];
    known.offset = std::max(known.offset, end - 1);
    known.number = std::max(known.number, number);
  }

  // For last(): the `number`th record to be sent goes there, and has this cause.
  void sent(const Input& target, std::int64_t number, const Cause& cause) {
    last_sent_[target][cause.sender] = {number, 0, cause.position};
  }

  // The record that a sender has told of last, and one past it. Nothing: it is not acknowledged, or that told nothing.
  [[nodiscard]] std::optional<Sink::Tail> last(const Input& target, const std::string& sender) const {
    const auto senders = last_sent_.find(target);
    if (senders == last_sent_.end()) return std::nullopt;
    const auto sent = senders->second.find(sender);
    if (sent == senders->second.end() || sent->second.end == 0) return std::nullopt;
    return Sink::Tail{sent->second.end, Cause{sender, sent->second.position}};
  }

 private:
  struct End {
    std::int64_t number = -1;
    std::int64_t offset = -1;
    std::optional<std::int64_t> untold;  // what the next record of a batch without offsets would say
  };
  struct Sent {
    std::int64_t number = -1;
    std::int64_t end = 0;  // 0: not known
    CausePosition position;
  };
  std::map<Input, End> ends_;
  std::map<Input, std::map<std::string, Sent>> last_sent_;  // by sender
};

}  // namespace fiverate
