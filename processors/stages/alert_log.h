// The history of the alerts of one partition, in the topic `alert-log`, and the seal over it.
//
//   input         key in alert-log
//   transition    ["<alert id>",<transition>]
//   command       ["<alert id>","a<number>"]: actions have numbers of their own
//
// Seals: when the clock passes a midnight, one for the last day that ended. It covers what was written to alert-log
// before the record that passed midnight. Days without such a record have no seal: without records no time passes here,
// and one record with a wrong timestamp could otherwise cause the seals of many years.
#pragma once

#include <string>

#include "alerts.pb.h"
#include "event.pb.h"
#include "processors/stream/operator.h"
#include "schemas/time.h"
#include "seals.pb.h"

namespace fiverate {

// A region, its parent and so on, without the whole market.
using RegionPath = google::protobuf::RepeatedPtrField<std::string>;

// A command that is executed on an alert.
struct Execution {
  const Command& command;
  Millis arrival;
  const Alert::Silenced* silence = nullptr;  // that the command begins or ends
};

class AlertLog {
 public:
  AlertLog(std::int32_t partition, const MarketCalendar& calendar) : partition_(partition), calendar_(calendar) {}

  void load(const Seal& seal) { seal_ = seal; }
  [[nodiscard]] const Seal& seal() const { return seal_; }
  // A seal written now covers the records of signals before this offset.
  void begin(std::int64_t offset) { seal_.set_next_offset(offset); }

  // `path`: of the transition's region.
  void append(const Transition& transition, RegionPath path, Outbox& outbox);
  // Numbers the action and counts it in the alert.
  void append(const Execution& execution, Alert& alert, Outbox& outbox);
  // The seal of the day before `today`.
  void write_seal(Day today, Outbox& outbox);

 private:
  void append(const AlertLogRecord& record, Millis timestamp, std::string key, Outbox& outbox);

  std::int32_t partition_;
  const MarketCalendar& calendar_;
  Seal seal_;  // the seal if it were written now
};

}  // namespace fiverate
