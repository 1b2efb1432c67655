// Alerts as rows of a table on the terminal or of CSV.
#pragma once

#include <vector>

#include "alerts.pb.h"
#include "cli/screen/console.h"
#include "cli/screen/texts.h"
#include "schemas/time.h"

namespace fiverate {

// A full table: the sentence, the age, and who handles the alert. `now` is the market's clock.
std::vector<TableColumn> alert_columns(Language language);
std::vector<TableCell> alert_cells(const Alert& alert, const MarketCalendar& calendar, Millis now, Language language);
// The compact table of `watch market`: its sentence includes the age.
std::vector<TableColumn> alert_screen_columns(Language language);
std::vector<TableCell> alert_screen_cells(const Alert& alert, const MarketCalendar& calendar, Millis now,
                                          Language language);
// True while a silence is active that matches the alert.
bool is_silenced(const Alert& alert, Millis now);
// Red: critical and firing. Yellow: warning and firing. Faint: resolved, retracted or silenced.
RowStyle alert_style(const Alert& alert, Millis now);

// CSV: the names and values of the contract.
std::vector<TableColumn> alert_csv_columns();
std::vector<TableCell> alert_csv_cells(const Alert& alert, const MarketCalendar& calendar);

}  // namespace fiverate
