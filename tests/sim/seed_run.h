// One seed, one run: a random history, an undisturbed run of it over one partition of everything, the same through a
// simulated cluster with faults, and what has to hold of both.
//
// Of ten seeds, one is sabotaged and one loses the end of a partition; both have to be noticed, see Outcome.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/faults.h"
#include "tests/sim/sabotage.h"
#include "tests/support/random_history.h"

namespace fiverate::test {

struct UndisturbedRun {
  std::map<std::string, std::string> final_rows;
  std::vector<std::pair<std::string, std::string>> quarantined;
  std::vector<std::string> stockouts;
};
// Feeds day by day, and lets everything pass through before the next. Time goes on until all is final, and so long.
UndisturbedRun undisturbed(const std::vector<SourceRecord>& history, Millis and_then = 0);

enum class Outcome : std::uint8_t {
  right,            // everything holds
  stopped,          // a task noticed and stopped, as it should
  sequence_gap,     // a task noticed and waits for the missing record
  compared,         // only the comparison at the end noticed
  harmless,         // the lost records made no difference
  only_in_log,      // results are right, for the records were read before they were lost; a new reader of the log finds the sequence gap
  published_again,  // results were lost; a task noticed, and `tasks reset` published them again
  unnoticed,        // results are missing that no task could notice: others had filled the partition meanwhile (`verify` finds it)
};
inline constexpr std::array<std::string_view, 8> kOutcomeNames{"right",    "stopped",     "sequence gap",    "compared",
                                                               "harmless", "only in log", "published again", "unnoticed"};

struct SeedReport {
  std::uint64_t seed = 0;
  std::string plan;     // what the seed chose
  std::string failure;  // one line; empty: as it should be
  std::string details;  // the first differences
  Sabotage sabotage = Sabotage::none;
  bool truncated = false;
  Outcome outcome = Outcome::right;
  FaultCounts faults{};
  std::int64_t repetitions = 0;
};

struct SeedOptions {
  HistoryShape shape;
  std::optional<bool> time_known_early;  // nothing: the seed chooses
  bool seed_chooses_shape = true;
  std::filesystem::path for_the_oracle;  // where to write seeds for it; empty: nowhere
};

SeedReport run_seed(std::uint64_t seed, const SeedOptions& options = {});
// The history of a seed, for other witnesses.
std::vector<SourceRecord> history_of(std::uint64_t seed, const SeedOptions& options = {});

// A second witness, in another language: of these seeds the history and the FINAL rows can be written as files, for
// oracle_witness.py. Their histories hold nothing that a file says otherwise than a topic (bytes that cannot be read, a payload
// in a topic of others).
bool is_for_the_oracle(std::uint64_t seed);
void write_for_the_oracle(const std::filesystem::path& folder, const std::vector<SourceRecord>& history,
                          const std::map<std::string, std::string>& final_rows);

// The report as lines for a person.
std::string to_text(const SeedReport& report);

}  // namespace fiverate::test
