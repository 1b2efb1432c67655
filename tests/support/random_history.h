// Small random histories, moderately nasty: duplicates, conflicts, revisions in any order, cancellations and revivals,
// late and future records, broken ones, outlets that change region, class and state, SKUs that become known after their
// first document.
//
// Kept out, because then the outcome may depend on who was faster (and is allowed to): reference that becomes known
// later than the parking day, versions that begin on a day that may be final, arrivals that run backwards, conflicting
// documents through different partitions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate::test {

struct SourceRecord {
  Topic topic;
  std::string key;  // records of one key stay in one partition
  Millis arrival;
  std::string value;
};

struct HistoryShape {
  int outlets = 4;
  int documents = 40;
  int days = 24;
  bool nasty = true;             // off: documents are only valid, in time, and with revisions
  bool silences = true;          // some histories have weeks in their middle in which nothing comes
  bool counties_change = false;  // counties are renamed, cancelled and brought back while documents come
};

// Ascending by arrival. The same seed and shape give the same records.
std::vector<SourceRecord> random_history(std::uint64_t seed, const HistoryShape& shape);

// The same facts of a history that is not nasty, arriving in another order, all still in time.
std::vector<SourceRecord> arriving_otherwise(std::vector<SourceRecord> history, std::uint64_t seed);

}  // namespace fiverate::test
