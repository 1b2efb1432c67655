// The alerts of rule R16 (trade/rules/data_quality.h) in the market task of brand "", which alone receives DataQuality messages.
//
// Outcomes of a day are the sum of what each outlet task sent before it closed the day. Holds come from one outlet task and count after
// the close of the day that this task had closed, and before the next close. So the transitions are a function of the ledger: they do not
// depend on the order of records of different senders.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "alerts.pb.h"
#include "deltas.pb.h"
#include "processors/stream/ports.h"
#include "processors/trade/rules/data_quality.h"
#include "schemas/time.h"

namespace fiverate {

class DataQualityAlerts {
 public:
  // No day is evaluated that ends at `until` or later. The calendar outlives this. `windows` are those of the market.
  DataQualityAlerts(const MarketCalendar& calendar, Millis until, const WindowSet& windows)
      : calendar_(calendar), until_(until), evidence_window_(evidence_window(windows)) {}

  [[nodiscard]] Result<void> open(const Store& store);
  void save(StoreBatch& batch);

  // Of a sender that had closed `closed_before`, and has closed `closed` with this record.
  void add(const DataQuality& quality, Day closed_before, Day closed);
  // All senders have closed the day: evaluates it and the days before it. Returns the transitions.
  [[nodiscard]] std::vector<Transition> close_days_to(Day day);
  // Evaluates the holds that came after the close of the day.
  [[nodiscard]] std::vector<Transition> evaluate_holds_after(Day day);

 private:
  using Transitions = std::vector<Transition>;
  // The next day up to `last` on which something may change; kNoDay: none.
  [[nodiscard]] Day next_day(Day last) const;
  void close_day(Day day, Transitions& transitions);
  void apply_holds_after(Day last, Transitions& transitions);
  SourceTopicAlert& alert_of(const std::string& topic);

  const MarketCalendar& calendar_;
  Millis until_;
  std::int32_t evidence_window_;
  Day closed_ = kNoDay;
  std::map<Day, std::map<std::string, DocumentOutcomes>> outcomes_;  // of open days, by source topic
  std::vector<std::pair<Day, DataQuality::Holds>> waiting_;          // by the day after whose close they count
  std::map<std::string, SourceTopicAlert> alerts_;
  bool changed_ = false;  // since the last save()
};

}  // namespace fiverate
