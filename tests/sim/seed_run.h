// Runs one seed: makes a random history, processes it undisturbed with one partition of each topic, processes it again in a simulated
// cluster with faults, and compares the two.
//
// Of ten seeds, one is sabotaged and one loses the last records of a partition; both have to be noticed, see Outcome.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "processors/trade/measures/selection.h"
#include "tests/sim/faults.h"
#include "tests/sim/sabotage.h"
#include "tests/sim/sim_import.h"
#include "tests/support/random_history.h"

namespace fiverate::test {

struct UndisturbedRun {
  std::map<std::string, std::string> final_rows;
  std::vector<std::pair<std::string, std::string>> quarantined;
  std::vector<std::string> stockouts;
};
// Processes the history day by day; each day is processed completely before the next. Then time passes until all days are final, and
// `and_then` longer.
UndisturbedRun undisturbed(const std::vector<SourceRecord>& history, Millis and_then = 0,
                           const Selection& selection = {});

enum class Outcome : std::uint8_t {
  right,         // all comparisons hold
  stopped,       // a task noticed it and stopped, as expected
  sequence_gap,  // a task noticed it and waits for the missing record
  compared,      // only the comparison at the end noticed it
  harmless,      // the lost records made no difference
  only_in_log,  // results are right, since the records were read before they were lost; a new reader of the log finds the sequence gap
  published_again,  // results were lost; a task noticed it, and `tasks reset` published them again
  unnoticed,  // results are missing, which no task could notice since others had filled the partition meanwhile (`verify` finds it)
};
inline constexpr std::array<std::string_view, 8> kOutcomeNames{
    "right", "stopped", "sequence gap", "compared", "harmless", "only in log", "published again", "unnoticed"};

struct SeedReport {
  std::uint64_t seed = 0;
  std::string plan;     // what the seed chose
  std::string failure;  // one line; empty: the seed passed
  std::string details;  // the first differences
  Sabotage sabotage = Sabotage::none;
  bool truncated = false;
  Outcome outcome = Outcome::right;
  FaultCounts faults{};
  std::int64_t repetitions = 0;
  std::int64_t held_alerts = 0;  // alerts of rule R16 because of a held record
};

struct SeedOptions {
  HistoryShape shape;
  std::optional<bool> time_known_early;  // nothing: the seed chooses
  bool seed_chooses_shape = true;
  Selection selection = {};     // what the market computes
  std::optional<bool> imports;  // nothing: the seed chooses
  ImportSabotage import_sabotage = ImportSabotage::none;
  std::filesystem::path for_the_oracle;  // folder for the files of oracle_witness.py; empty: none are written
};

SeedReport run_seed(std::uint64_t seed, const SeedOptions& options = {});
// The history of a seed.
std::vector<SourceRecord> history_of(std::uint64_t seed, const SeedOptions& options = {});

// True for the seeds whose history and FINAL rows can be written as files for oracle_witness.py, which computes the rows in Python. Their
// histories contain no record that means something else in a file than in a topic (undecodable bytes, a payload in another topic).
bool is_for_the_oracle(std::uint64_t seed);
void write_for_the_oracle(const std::filesystem::path& folder, const std::vector<SourceRecord>& history,
                          const std::map<std::string, std::string>& final_rows);

// The report as text.
std::string to_text(const SeedReport& report);

}  // namespace fiverate::test
