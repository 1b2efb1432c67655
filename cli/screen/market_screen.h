// The market on one screen: what time it is there, how many alerts are open, the brands' rates, and the open alerts.
// Pure: from what was read to lines of text.
#pragma once

#include <cstdint>

#include "cli/screen/console.h"
#include "cli/screen/words.h"
#include "readers/query/alerts_query.h"
#include "readers/query/rates_query.h"
#include "schemas/time.h"

namespace fiverate {

struct MarketView {
  const LatestRows& rows;
  const LatestAlerts& alerts;
  const RateFilter& wanted_rates;  // of one region, one class dimension, one window
  const AlertFilter& wanted_alerts;
  Millis now = kNever;  // the market's clock; kNever: not known yet
  std::int64_t quarantined = 0;
};

// Open alerts as they stand on the screen: those muted last, then the severest first, then the newest.
std::vector<const Alert*> alerts_for_screen(const LatestAlerts& latest, const AlertFilter& wanted, Millis now);

// As many lines as the page has, or fewer.
void draw_market(TextOutput& page, const MarketView& view, const MarketCalendar& calendar, Language language);

}  // namespace fiverate
