// Replay computes a history again with the stages of the live program and writes the results to files. It changes nothing live.
//
// From files:   history -> intake, reference -> ledger -> outlet -> deltas -> market -> metrics.jsonl, alerts.jsonl, seals.jsonl
// From Kafka:   all ledger partitions up to their ends at the start -> outlet -> deltas -> market -> the same files
//
// Seals in comparison with a live run:
//   replay of   outlet                 market
//   the ledger  the same bytes         the same chains if live market has one partition too; otherwise the sum over FINAL rows equals
//                                      the sum of all live partitions, provided that the rows of all days are written
//   files       of another ledger, in  the same chain and sum over FINAL rows; seals are written until the last day is final
//               canonical order
//
// The logs between the stages are in memory and bounded. The market stage has its own thread. State is in memory.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ledger.pb.h"
#include "processors/edge/history.h"
#include "processors/stages/final_rows.h"
#include "processors/stream/ports.h"
#include "processors/trade/facts/acceptance.h"
#include "processors/trade/measures/selection.h"

namespace fiverate {

struct ReplayOptions {
  std::filesystem::path out;   // exists; files in it are replaced
  std::optional<Day> through;  // the last day of the output; default: the latest day of an accepted document
  FinalRows rows;              // those that are written
  // Of a replay of files. Those of a ledger are in its definition.
  AcceptanceLimits limits;
  Selection selection;
};

struct ReplaySummary {
  std::int64_t records = 0;
  std::int64_t quarantined = 0;
  std::int64_t lines = 0;        // of metrics.jsonl
  std::int64_t transitions = 0;  // of alerts.jsonl
  Day through = kNoDay;
  Day last_day = kNoDay;                  // of an accepted document
  std::vector<std::string> skipped = {};  // a sentence for each ledger partition with foreign records
};

// Is called with the number of records that are done and of all records of the history.
using ReplayProgress = std::function<void(std::size_t, std::size_t)>;

// Replays a history. Every day up to the last one counts as closed and final.
Result<ReplaySummary> replay_files(const History& history, const MarketCalendar& calendar, const ReplayOptions& options,
                                   const ReplayProgress& progress);

// Replays the partitions of a ledger. `ledger` reads all of them, up to their ends at the start. Rows of the days that are final in the
// live run are written, and alerts up to the end of the ledger.
Result<ReplaySummary> replay_ledger(const Definition& definition, Source& ledger, const MarketCalendar& calendar,
                                    const ReplayOptions& options);

}  // namespace fiverate
