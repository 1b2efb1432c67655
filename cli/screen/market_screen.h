// The screen of `watch market`: the market's clock, the number of open alerts, the rates of the brands, the open alerts.
// Only text is made here, from rows and alerts that were read before.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/screen/console.h"
#include "cli/screen/texts.h"
#include "readers/query/alerts_query.h"
#include "readers/query/rates_query.h"
#include "schemas/time.h"

namespace fiverate {

struct MarketView {
  const LatestRows& rows;
  const LatestAlerts& alerts;
  const RateFilter& rate_filter;  // leaves one region, one class dimension and one window
  const AlertFilter& alert_filter;
  Millis now = kNever;  // the market's clock; kNever while it is unknown
  std::int64_t quarantined = 0;
  std::string warning = {};  // lines that are shown on top, such as a lost connection
};

// How many lines a warning has, and writes them in red.
std::size_t lines_of(const std::string& warning);
void write_warning(TextOutput& page, const std::string& warning);

// The open alerts in the order of the screen: silenced ones last, else by severity, then the newest first.
std::vector<const Alert*> alerts_for_screen(const LatestAlerts& latest, const AlertFilter& filter, Millis now);

// Writes at most as many lines as the page has.
void draw_market(TextOutput& page, const MarketView& view, const MarketCalendar& calendar, Language language);

}  // namespace fiverate
