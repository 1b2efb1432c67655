// One sentence that explains a transition of an alert to a person, in English or Chinese.
//
// The sentences are made from what the transition holds: rule, state, value, threshold and evidence. Values and
// thresholds of R2 and R5 are levels and rates of the book in millionths of a unit (docs/rules.md).
#pragma once

#include <string>

#include "alerts.pb.h"
#include "cli/screen/texts.h"
#include "schemas/time.h"

namespace fiverate {

// What happened: "Stockout: visit on 10 March counted 0", "Restocked by delivery event D2".
std::string alert_sentence(const Transition& transition, const MarketCalendar& calendar, Language language);
// How an open alert stands at `now`: "out of stock for 2d 04h", "expected to run out in 1.5 days". Other transitions get
// their alert_sentence.
std::string alert_status(const Transition& transition, const MarketCalendar& calendar, Millis now, Language language);

}  // namespace fiverate
