// Small random histories with errors: duplicates, conflicts, revisions in any order, cancellations and their reversal,
// late, future and broken records, outlets that change region, class and state, SKUs that become known after their
// first document.
//
// Some cases are left out, because their outcome may depend on the order in which partitions are read: reference data
// that becomes known more than a day after the documents that wait for it, versions that begin on a day that may be
// final, arrivals that run backwards, conflicting documents in different partitions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate::test {

struct SourceRecord {
  Topic topic;
  std::string key;  // All records of one key are in one partition.
  Millis arrival;
  std::string value;
};

struct HistoryShape {
  int outlets = 4;
  int documents = 40;
  int days = 24;
  bool nasty = true;             // If false, all documents are valid and in time; they may have revisions.
  bool silences = true;          // Some histories have weeks without documents in their middle.
  bool counties_change = false;  // Counties are renamed, cancelled and revised during the history.
};

// Returns records in ascending order of arrival. The same seed and shape give the same records.
std::vector<SourceRecord> random_history(std::uint64_t seed, const HistoryShape& shape);

// Returns the records of a history without errors (nasty = false) in another order of arrival, all of them in time.
std::vector<SourceRecord> arriving_otherwise(std::vector<SourceRecord> history, std::uint64_t seed);

}  // namespace fiverate::test
