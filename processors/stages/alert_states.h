// The present states of the alerts of one partition: their records in the topic `alerts`, and which of them fire.
//
// At the beginning of each day all alerts that fire are written again, and the others three times after a change, so that an older state
// that a fenced process has left in `alerts` is corrected. The times are counted, since the clock may move on by many days at once.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "alerts.pb.h"
#include "processors/stream/operator.h"
#include "processors/stream/state_table.h"
#include "schemas/time.h"

namespace fiverate {

// Whether the present episode of the alert fires. False for an alert without transitions.
[[nodiscard]] bool fires(const Alert& alert);
// Makes a transition part of the alert: sets `last`, `also_firing` and `transitions` (alerts.proto).
void add_transition(Transition transition, Alert& alert);

class AlertStates {
 public:
  AlertStates(std::int32_t partition, const MarketCalendar& calendar, std::size_t cache_bytes);

  // `written_again`: the day for which an earlier task called write_again() last.
  [[nodiscard]] Result<void> open(const Store& store, Day written_again);
  void save(StoreBatch& batch);
  [[nodiscard]] Day written_again() const { return written_again_; }

  // An alert, empty if it is unknown. The pointer of change() is for a change, which write() completes.
  [[nodiscard]] Result<Alert*> get(std::string_view alert_id) { return alerts_.get(alert_id); }
  [[nodiscard]] Result<Alert*> change(std::string_view alert_id) { return alerts_.change(alert_id); }
  // The ids of the firing alerts.
  [[nodiscard]] const std::set<std::string, std::less<>>& firing() const { return firing_; }

  // Publishes an alert that has changed, and notes whether it fires.
  void write(const Alert& alert, Millis timestamp, Outbox& outbox);
  // Once a day: publishes the alerts that may have an older state in the topic.
  [[nodiscard]] Result<void> write_again(Day today, Outbox& outbox);

 private:
  void publish(const std::string& alert_id, const Alert& alert, Millis timestamp, Outbox& outbox) const;

  std::int32_t partition_;
  const MarketCalendar& calendar_;
  StateTable<Alert, MessageCodec<Alert>> alerts_;
  std::set<std::string, std::less<>> firing_;
  std::map<std::string, std::int32_t, std::less<>>
      to_write_;  // the alerts that changed, and how often they are written again
  Day written_again_ = kNoDay;
  StoreBatch unsaved_;
};

}  // namespace fiverate
