// What every command that writes into the source topics asks first: are they there, may it set timestamps, and does the
// market's clock not stand beyond what is to come?
#pragma once

#include <string_view>

#include "cli/commands/context.h"
#include "schemas/time.h"

namespace fiverate {

// Ends the program if not. `what` is the command as a noun ("import"), `begins` the earliest arrival to be written.
void check_source_topics(const Context& context, const MarketCalendar& calendar, std::string_view what, Millis begins);

}  // namespace fiverate
