// Checks before a command writes into the source topics: the topics exist, they accept timestamps of the writer, and the
// market's clock is not later than the first event to be written.
#pragma once

#include <cstdint>

#include "cli/commands/context.h"
#include "schemas/time.h"

namespace fiverate {

enum class SourceWriterKind : std::uint8_t { import, simulation };

// Ends the program with a message if a check fails. `begins` is the earliest arrival to be written.
void check_source_topics(const Context& context, const MarketCalendar& calendar, SourceWriterKind writer,
                         Millis begins);

}  // namespace fiverate
