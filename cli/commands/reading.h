// Shared by the commands that read topics.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/commands/context.h"
#include "cli/screen/texts.h"
#include "processors/edge/kafka_log.h"
#include "readers/query/result_records.h"

namespace fiverate {

std::vector<Input> all_partitions(const Context& context, Topic topic);
// A reader from the beginning to the present end of the partitions, and one that continues with new records.
std::unique_ptr<KafkaReader> read_to_end(const Context& context, std::vector<Input> inputs);
std::unique_ptr<KafkaReader> follow(const Context& context, std::vector<Input> inputs, ReadFrom from = {});

// The market's clock: the latest arrival in the ledger, or kNever if the ledger is empty.
Millis market_clock(const Context& context);
Result<Millis> try_market_clock(const Context& context);
// The same, but the wall clock if the ledger is empty.
Millis market_now(const Context& context);

// Prints what was ignored in the result topics, and why, to stderr.
void print_ignored(const ResultRecords& results);

// The number of records in the topic `quarantine`, repetitions included.
Result<std::int64_t> quarantined_so_far(const Context& context);

// Parse an argument of an option, or end the program. A time has an offset, or is local time of the market, or is a day
// (its first instant).
Millis time_argument(const std::string& text, const char* option, const MarketCalendar& calendar);
Millis duration_argument(const std::string& text, const char* option);
// The language of --lang, which is "en" or "zh", or that of the environment if it is empty.
Language language_argument(const std::string& text);

}  // namespace fiverate
