// An import that writes the source records of a simulated run. It is killed at random records, once or several times, and repeated until it
// has ended. What it writes, and where it continues, is decided by the program: History, import_history and find_import.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "processors/edge/history.h"
#include "producers/import/import.h"
#include "tests/sim/faults.h"
#include "tests/support/random_history.h"

namespace fiverate::test {

// A wrong decision where the import continues, to show that the simulation notices it.
enum class ImportSabotage : std::uint8_t {
  none,
  starts_over,   // as if nothing was written
  repeats_last,  // writes the last record of each partition again
  skips_one,     // leaves out the first record of each partition that is not written
};

// The records of a random history as a file. All of them must be valid in a file (is_for_the_oracle).
History history_file(const std::vector<SourceRecord>& records);

// The records, without marks, that an uninterrupted import of the file writes.
std::vector<SourceRecord> imported(const History& history);

class SimImport {
 public:
  // Has its own random numbers, so that the other faults of a seed stay the same.
  SimImport(const History& history, const PartitionCounts& partitions, std::uint64_t seed, ImportSabotage sabotage);

  // All records and marks, in the order in which they reach the log.
  std::vector<OutRecord> run(Weather& weather);

 private:
  class Log;
  class Producer;

  // False: it was killed.
  bool write(Log& log, std::optional<std::int64_t> killed_after, bool open);
  [[nodiscard]] ImportStart where_to_start(Log& log) const;

  const History& history_;
  PartitionCounts partitions_;
  Chance chance_;
  ImportSabotage sabotage_;
};

}  // namespace fiverate::test
