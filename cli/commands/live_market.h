// Puts a market on the wall clock. From then on Kafka stamps the source records, and intake writes marks. A mark in each source partition
// records it, so the log itself shows which clock holds since when. There is no way back.
#pragma once

#include "cli/commands/context.h"

namespace fiverate {

// Completes one that was interrupted; a market that is live stays as it is. Error retry: Kafka is away or did not stamp yet.
[[nodiscard]] Result<void> go_live(const Context& context);

// Compares intake.clock with the market, before `run`. A live market gets what an interrupted switch left out, and a market without records
// becomes live if the configuration has `wall`. Error stop: the market has the other clock.
[[nodiscard]] Result<void> ensure_clock(const Context& context);

}  // namespace fiverate
