// What must hold of the logs that a run leaves behind, whatever happened.
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

// Each partition that a task reads, folded by a fresh task that nothing disturbs, gives what its sender has left in its
// output topics: the same records in the same order, repetitions removed; a repetition is the same to the byte; and of a
// topic that keeps the latest of each key, the last record of each. Empty: all of it holds; else a line for each difference,
// at most `most`. The partition `reordered` lost its end, and its records were published again behind newer ones: its order does not matter.
std::vector<std::string> differences_to_fresh_folds(const SimLog& log, const Definition& definition, bool live_rows,
                                                    const std::optional<Input>& reordered = {}, std::size_t most = 5);

// What stands in metrics-final, by key.
std::map<std::string, std::string> final_rows_of(const SimLog& log);
std::vector<Transition> transitions_of(const SimLog& log);
// (event_id, reason)
std::vector<std::pair<std::string, std::string>> quarantined_of(const SimLog& log);

}  // namespace fiverate::test
