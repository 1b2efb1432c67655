// What commands that read topics have in common.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/commands/context.h"
#include "cli/screen/words.h"
#include "processors/edge/kafka_log.h"

namespace fiverate {

std::vector<Input> all_partitions(const Context& context, Topic topic);
// From the beginning to where the partitions end now, or from the beginning and on.
std::unique_ptr<KafkaReader> read_to_end(const Context& context, std::vector<Input> inputs);
std::unique_ptr<KafkaReader> follow(const Context& context, std::vector<Input> inputs, ReadFrom from = {});

// What time it is in the market: with clock = wall now; with marks the latest arrival in the ledger, since the market
// may be years ago. Nothing has come yet: now.
Millis market_now(const Context& context);
// The same, but kNever as long as nothing has come.
Millis market_clock(const Context& context);

// Records in the topic `quarantine`, repetitions included.
std::int64_t quarantined_so_far(const Context& context);

// An instant given on the command line: with an offset, as local time of the market, or a day (its beginning).
Millis time_argument(const std::string& text, const char* option, const MarketCalendar& calendar);
Millis duration_argument(const std::string& text, const char* option);
// --lang, else the environment's.
Language language_argument(const std::string& text);

}  // namespace fiverate
