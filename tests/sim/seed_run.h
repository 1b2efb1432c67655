// One seed, one run: a random history, an undisturbed run of it over one partition of everything, the same through a
// simulated cluster with faults, and what has to hold of both.
//
// Of ten seeds, one is sabotaged and one loses the end of a partition; these two have to be found out, see SeedReport.
#pragma once

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
// Feeds day by day, and lets everything pass through before the next.
UndisturbedRun undisturbed(const std::vector<SourceRecord>& history);

enum class Outcome : std::uint8_t {
  right,          // everything holds
  stopped,        // a task found out and stopped, as it should
  gap,            // a task found out and waits for what is missing
  compared,       // only the comparison at the end found out
  harmless,       // what was spoiled or cut made no difference
  unnoticed,      // the end of a partition is gone, and nothing told of it: see kinds of truncation in docs/reliability.md
};
inline constexpr std::array<std::string_view, 6> kOutcomeNames{"right", "stopped", "gap", "compared", "harmless", "unnoticed"};

struct SeedReport {
  std::uint64_t seed = 0;
  std::string plan;                // what the seed chose
  std::string failure;             // one line; empty: as it should be
  std::string details;             // the first differences
  Sabotage sabotage = Sabotage::none;
  bool truncated = false;
  Outcome outcome = Outcome::right;
  FaultCounts faults{};
  std::int64_t repetitions = 0;
  std::int64_t rewritten = 0;
};

struct SeedOptions {
  HistoryShape shape;
  std::optional<bool> time_known_early;  // nothing: the seed chooses
  bool seed_chooses_shape = true;
};

SeedReport run_seed(std::uint64_t seed, const SeedOptions& options = {});
// The history of a seed, for other witnesses.
std::vector<SourceRecord> history_of(std::uint64_t seed, const SeedOptions& options = {});

// The report as lines for a person.
std::string to_text(const SeedReport& report);

}  // namespace fiverate::test
