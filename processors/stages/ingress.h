// What intake and reference do first with each record of a source partition: decode it, check what needs this record alone, and derive
// its arrival.
//
//   arrival = the Kafka timestamp, raised to the highest arrival so far of the partition
//
// A mark raises the clock to its timestamp and, in a market on marks, to its `complete_through`. A timestamp outside 1970..9999 is
// ignored: the record arrives at the highest arrival so far. No header sets an arrival. In a market on marks the guard holds records that
// would move the clock too far (stream/jump_guard.h); on the wall clock Kafka stamps the records, so none can.
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

  Ingress(bool uses_marks, const std::string& market_timezone) : uses_marks_(uses_marks), calendar_(market_timezone) {}

  // Decodes a record, unless it is the one that was decoded last. Valid until the next call.
  Record& read(const InRecord& record);
  // The arrival of the record, in 1970..9999; raises the clock. A jump that was rejected raises nothing and gets the reason `future`.
  Millis admit(Record& record);

  // Of the guard, for the task: Operator::claimed_time().
  [[nodiscard]] Millis claimed_time(const InRecord& record) { return uses_marks_ ? read(record).claimed : kNever; }
  [[nodiscard]] JumpGuard& guard() { return guard_; }
  [[nodiscard]] Millis highest() const { return highest_; }  // arrival so far; kNever before the first record

  void load(std::string_view text);
  [[nodiscard]] std::string save() const;

 private:
  bool uses_marks_;
  MarketCalendar calendar_;  // for messages
  Millis highest_ = kNever;
  JumpGuard guard_;
  Record record_;  // reused, so that it keeps its memory
};

}  // namespace fiverate
