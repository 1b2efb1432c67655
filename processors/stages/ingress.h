// What intake and reference do first with each record of a source partition: decode it, check what needs this record alone, and derive
// its arrival.
//
//   arrival = the Kafka timestamp, raised to the highest arrival so far of the partition
//
// A mark raises the clock to its timestamp and to its `complete_through`. A mark with `live` puts the partition on the wall clock: from
// there on Kafka stamps its records, and no mark raises the clock beyond its own timestamp. A timestamp outside 1970..9999 is ignored: the
// record arrives at the highest arrival so far. No header sets an arrival. The guard holds records that would move the clock too far
// (stream/jump_guard.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "event.pb.h"
#include "processors/stream/jump_guard.h"
#include "processors/stream/ports.h"
#include "schemas/reasons.h"

namespace fiverate {

class Ingress {
 public:
  // A decoded record of the partition.
  struct Record {
    std::int64_t offset = -1;
    Event event;                       // partly filled if the record is rejected
    std::optional<Rejected> rejected;  // by its bytes, its topic or its timestamp
    bool is_mark = false;              // and not rejected
    Millis claimed = kNever;           // the time to which it would move the clock
  };

  explicit Ingress(const std::string& market_timezone) : calendar_(market_timezone) {}

  // Decodes a record, unless it is the one that was decoded last. Valid until the next call.
  Record& read(const InRecord& record);
  // The arrival of the record, in 1970..9999; raises the clock. A jump that was rejected raises nothing and gets the reason `future`.
  Millis admit(Record& record);

  // Of the guard, for the task: Operator::claimed_time().
  [[nodiscard]] Millis claimed_time(const InRecord& record) { return read(record).claimed; }
  [[nodiscard]] JumpGuard& guard() { return guard_; }
  [[nodiscard]] Millis highest() const { return highest_; }  // arrival so far; kNever before the first record
  [[nodiscard]] bool is_live() const { return is_live_; }    // the partition is on the wall clock

  // False: not what save() returns.
  [[nodiscard]] bool load(std::string_view bytes);
  [[nodiscard]] std::string save() const;

 private:
  MarketCalendar calendar_;  // for messages
  Millis highest_ = kNever;
  bool is_live_ = false;
  JumpGuard guard_;
  Record record_;  // reused, so that it keeps its memory
};

}  // namespace fiverate
