// Replay: the same fold as the live stages, into files, touching nothing live.
//
// From files:   history -> intake, reference -> ledger -> outlet -> deltas -> market -> metrics.jsonl, alerts.jsonl, seals.jsonl
// From Kafka:   the ledger's partitions, to where they ended at the start -> outlet -> deltas -> market -> the same files
//
// Seals. From Kafka those of outlet are the live ones, byte by byte; market has one partition here, so its chains are the live ones
// if there is one there too, and else the sum over FINAL rows is that of all live partitions together (provided that all days are
// written: ReplayOptions::days). From files there is another ledger, in canonical order: what is shared with a live run is the
// FINAL rows, and so market's chain over them and its sum; the seals go on until the last day is final.
//
// Logs between the stages are in memory and bounded; market has a thread of its own. State is kept in memory.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ledger.pb.h"
#include "processors/edge/history.h"
#include "processors/stream/ports.h"
#include "processors/trade/base/intervals.h"

namespace fiverate {

struct ReplayOptions {
  std::filesystem::path out;
  std::optional<Day> through;     // the last day to report; default: the latest day of an accepted document
  Intervals days = kAllDays;      // only their rows are written
};

struct ReplaySummary {
  std::int64_t records = 0;
  std::int64_t quarantined = 0;
  std::int64_t lines = 0;        // of metrics.jsonl
  std::int64_t transitions = 0;  // of alerts.jsonl
  Day through = kNoDay;
  Day last_day = kNoDay;  // of an accepted document
};

// `progress(done, all)`: records of the history.
using ReplayProgress = std::function<void(std::size_t, std::size_t)>;

// Replays a history. Every day up to the last is treated as closed and final.
Result<ReplaySummary> replay_files(const History& history, const MarketCalendar& calendar, const ReplayOptions& options,
                                   const ReplayProgress& progress);

// Replays the partitions of a ledger: `ledger` reads all of them and ends where the log ended at the start. Only days that the
// live run holds for final are written; alerts up to where the ledger ends.
Result<ReplaySummary> replay_ledger(const Definition& definition, Source& ledger, const MarketCalendar& calendar,
                                    const ReplayOptions& options);

}  // namespace fiverate
