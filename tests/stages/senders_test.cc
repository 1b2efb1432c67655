// Which tasks write to which partitions, as a table.
#include "processors/stages/senders.h"

#include <gtest/gtest.h>

#include <vector>

#include "processors/stages/topology.h"
#include "schemas/format.h"

namespace fiverate::test {
namespace {

TEST(Senders, WriteWhereTheirStageWrites) {
  const Senders senders(make_definition("Asia/Shanghai", PartitionCounts{.source = 2, .ledger = 4, .market = 3}));
  struct Case {
    const char* sender;
    Input target;
    bool expected;
  };
  for (const auto& [sender, target, expected] : std::vector<Case>{
           {"deliveries/1", {Topic::ledger, 3}, true},
           {"deliveries/1023", {Topic::ledger, 3}, true},  // the topic may have grown
           {"deliveries/1024", {Topic::ledger, 3}, false},
           {"commands/0", {Topic::ledger, 0}, true},
           {"commands/1", {Topic::ledger, 0}, false},
           {"reference/0", {Topic::ledger, 0}, true},
           {"outlet/0", {Topic::ledger, 0}, false},
           {"intake/0", {Topic::ledger, 0}, false},  // its tasks have the names of topics
           {"outlet/3", {Topic::deltas, 0}, true},
           {"outlet/4", {Topic::deltas, 0}, false},
           {"reference/0", {Topic::deltas, 2}, true},
           {"deliveries/0", {Topic::deltas, 0}, false},
           {"market/0", {Topic::deltas, 0}, false},
           {"commands/0", {Topic::signals, 2}, true},
           {"deliveries/0", {Topic::signals, 2}, false},
           {"reference/0", {Topic::signals, 2}, true},
           {"outlet/3", {Topic::signals, 2}, true},
           {"market/2", {Topic::signals, 2}, true},
           {"market/1", {Topic::signals, 2}, false},
           {"desk/2", {Topic::signals, 2}, false},
           {"market/2", {Topic::metrics, 2}, true},
           {"market/2", {Topic::metrics_final, 2}, true},
           {"market/1", {Topic::metrics_final, 2}, false},
           {"market/3", {Topic::metrics_final, 3}, false},
           {"outlet/2", {Topic::metrics_final, 2}, false},
           {"desk/1", {Topic::alerts, 1}, true},
           {"desk/1", {Topic::alert_log, 1}, true},
           {"desk/1", {Topic::alert_log, 0}, false},
           {"market/1", {Topic::alerts, 1}, false},
           {"outlet/3", {Topic::seals, 3}, true},
           {"market/1", {Topic::seals, 1}, true},
           {"desk/1", {Topic::seals, 1}, true},
           {"desk/1", {Topic::seals, 2}, false},
           {"visits/0", {Topic::seals, 0}, false},
           {"visits/0", {Topic::quarantine, 3}, true},
           {"reference/0", {Topic::quarantine, 0}, true},
           {"outlet/2", {Topic::quarantine, 2}, true},
           {"market/2", {Topic::quarantine, 2}, false},
           {"orders/1", {Topic::checkpoints, 0}, true},
           {"desk/2", {Topic::checkpoints, 0}, true},
           {"desk/3", {Topic::checkpoints, 0}, false},
           {"outlet/0", {Topic::deliveries, 0}, false},
           {"outlet/03", {Topic::deltas, 0}, false},
           {"outlet/-1", {Topic::deltas, 0}, false},
           {"outlet/", {Topic::deltas, 0}, false},
           {"outlet/1x", {Topic::deltas, 0}, false},
           {"outlet", {Topic::deltas, 0}, false},
           {"/0", {Topic::deltas, 0}, false},
           {"", {Topic::deltas, 0}, false},
           {"outlet/99999999999", {Topic::deltas, 0}, false},
       }) {
    EXPECT_EQ(senders.writes_to(sender, target), expected)
        << fmt::format("{} to {} partition {}", sender, name_of(target.topic), target.partition);
  }
}

}  // namespace
}  // namespace fiverate::test
