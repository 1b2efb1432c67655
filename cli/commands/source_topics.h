// What a command checks before and after it writes into the source topics.
#pragma once

#include <cstdint>
#include <map>

#include "cli/commands/context.h"
#include "producers/import_start.h"
#include "schemas/time.h"

namespace fiverate {

enum class SourceWriterKind : std::uint8_t { import, simulation };

struct SourceWriting {
  SourceWriterKind kind;
  ImportRequest request;
  bool yes;  // accept a start long after the market's clock
};

// Ends the program with a message unless the topics exist, accept timestamps of the writer, and are in one of three states: nothing of
// this import was written and the market's clock is not later than its begin (absent), it can continue (begun), or it has ended before
// another one (followed).
FoundImport check_source_topics(const Context& context, const Definition& definition, const MarketCalendar& calendar,
                                const SourceWriting& writing);

// Ends the program with a message if an import or a simulation has not ended.
void check_imports_have_ended(const Context& context, const std::vector<Input>& inputs, const MarketCalendar& calendar);

// Of these partitions, those without a record; and the lowest timestamp of the last records of the others, kNever if there are none.
struct EmptyPartitions {
  std::vector<Input> inputs;
  Millis clock_of_others = kNever;
};
EmptyPartitions find_empty(const Context& context, const std::vector<Input>& inputs);

// Ends the program with a message if the market cannot continue with the wall clock: an import or a simulation has not ended, or the market
// is later than `now`.
void check_can_go_live(const Context& context, const MarketCalendar& calendar, Millis now);

// Ends the program with a message if the topics hold more records of this import than it has sent to them: another process has written
// the same import at the same time.
void check_written_once(const Context& context, ImportId import, const PartitionEnds& before,
                        const std::map<Input, std::int64_t>& sent);

}  // namespace fiverate
