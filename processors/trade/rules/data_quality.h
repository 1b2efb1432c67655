// Rule R16 (data quality of a source topic). It has two conditions and fires while one of them holds:
//
//   held    A record of the topic is held, because it would move the clock of its partition too far. Critical, since the market's clock
//           waits for that partition.
//   share   Of the documents of the topic whose outcome was found on one day, at least 20 and at least 1 % were rejected; critical from
//           10 %. Evaluated at the close of the day. It ends after 3 closes in a row with fewer than 10, or less than half a percent.
//
//   state        after an evaluation                next state   published
//   not firing   a condition holds                  firing       FIRING, a new episode
//   firing       one holds with a higher severity   firing       FIRING, the same episode
//   firing       none holds                         not firing   RESOLVED
//
// Source of the numbers: docs/rules.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "processors/trade/base/window.h"
#include "processors/trade/rules/daily_rule.h"

namespace fiverate {

// The documents of one source topic whose outcome was found on one day.
struct DocumentOutcomes {
  std::int64_t documents = 0;
  std::int64_t rejected = 0;  // of these
};
RuleVerdict evaluate_share(const DocumentOutcomes& outcomes);

// A record of the topic that is held.
struct HeldRecord {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  friend bool operator==(const HeldRecord&, const HeldRecord&) = default;
};

struct SourceTopicAlert {
  std::string topic;
  std::vector<HeldRecord> held;
  DailyAlert share;      // the second condition; its transitions are not published
  DailyAlert published;  // the alert
};

// The window of the row that shows the reasons of rejected documents: the shortest one that the market has.
std::int32_t evidence_window(const WindowSet& windows);
// Evaluates the share of a day that has closed. Returns the transition to publish. `window` is that of the evidence.
std::optional<Transition> close_day(SourceTopicAlert& alert, const DayClose& close, const DocumentOutcomes& outcomes,
                                    std::int32_t window);
// Evaluates the alert at `at`, after the records that are held have changed.
std::optional<Transition> change_held(SourceTopicAlert& alert, std::vector<HeldRecord> held, Millis at);

}  // namespace fiverate
