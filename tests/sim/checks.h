// Checks of the logs after a run, which have to hold after any faults.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "alerts.pb.h"
#include "ledger.pb.h"
#include "tests/sim/sim_log.h"

namespace fiverate::test {

// Folds each partition that a task reads with a fresh, undisturbed task, and compares its outputs with the output topics: the same records
// in the same order; repeated records, which must be identical, count once; of a compacted topic, the last record of each key. Returns a
// line for each difference, at most `most`. The order of the partition `reordered` is not compared: it lost records, which were published
// again behind newer ones.
std::vector<std::string> differences_to_fresh_folds(const SimLog& log, const Definition& definition, bool live_rows,
                                                    const std::optional<Input>& reordered = {}, std::size_t most = 5);

// Of the records that fiverate wrote: the rows in metrics-final, by key.
std::map<std::string, std::string> final_rows_of(const SimLog& log, const Definition& definition);
std::vector<Transition> transitions_of(const SimLog& log, const Definition& definition);
// (event_id, reason)
std::vector<std::pair<std::string, std::string>> quarantined_of(const SimLog& log, const Definition& definition);

}  // namespace fiverate::test
