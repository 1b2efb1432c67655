// Alerts as rows of a table or of CSV.
#pragma once

#include <vector>

#include "alerts.pb.h"
#include "cli/screen/console.h"
#include "cli/screen/words.h"
#include "schemas/time.h"

namespace fiverate {

// What a person sees: words, ages, who takes care of it. `now` is the market's clock.
std::vector<TableColumn> alert_columns(Language language);
std::vector<TableCell> alert_cells(const Alert& alert, const MarketCalendar& calendar, Millis now, Language language);
// The compact table of a screen: the sentence tells the age.
std::vector<TableColumn> alert_screen_columns(Language language);
std::vector<TableCell> alert_screen_cells(const Alert& alert, const MarketCalendar& calendar, Millis now,
                                          Language language);
// Muted by a silence in force.
bool is_muted(const Alert& alert, Millis now);
// Red: critical and firing; yellow: a warning; faint: over, or muted by a silence in force.
RowStyle alert_style(const Alert& alert, Millis now);

// What a program reads: the names and values of the contract.
std::vector<TableColumn> alert_csv_columns();
std::vector<TableCell> alert_csv_cells(const Alert& alert, const MarketCalendar& calendar);

}  // namespace fiverate
