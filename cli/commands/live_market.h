// Puts a market on the wall clock. From then on Kafka stamps the source records, and intake writes marks. Live marks in each source partition
// record it, so the log itself shows which clock holds since when. There is no way back.
#pragma once

#include "cli/commands/context.h"

namespace fiverate {

// Whether the log has the marks of a live market. False, too, if the topics are missing.
[[nodiscard]] Result<bool> is_live(const Context& context);

// What the topics of this market have to be like.
[[nodiscard]] Result<TopicPlan> market_plan(const Context& context, const Definition& definition);

// Lets Kafka stamp the source records, and writes the marks, to `commands` last. Completes one that was interrupted. Error retry: Kafka is
// away or did not stamp yet.
[[nodiscard]] Result<void> go_live(const Context& context, const Definition& definition);

// Compares intake.clock with the market, before `run`. `live`, `findings`: what the log and the topics of the market are like. A market without records becomes live if the configuration has `wall`. Error stop:
// the market has the other clock, or Kafka stamps its records where it should not, or the other way round.
[[nodiscard]] Result<void> ensure_clock(const Context& context, const Definition& definition, bool live,
                                        const std::vector<TopicFinding>& findings);

}  // namespace fiverate
