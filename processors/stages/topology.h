// The whole flow as one table, and the definition that all of it is computed by.
//
//   stage       reads                                  one task a                 keeps          writes
//   intake      orders deliveries visits commands      source partition           (group offset) ledger, signals, quarantine
//   reference   reference                              the one partition          identities     ledger, deltas, signals, quarantine
//   outlet      ledger                                 ledger partition           outlets, SKUs  deltas, signals, quarantine, seals
//   market      deltas                                 deltas partition           cells, alerts  metrics, metrics-final, signals, seals
//   desk        signals                                signals partition          alerts         alerts, alert-log, seals
//
// intake and reference run together as `--stage intake`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ledger.pb.h"
#include "processors/stream/ports.h"
#include "schemas/topics.h"

namespace fiverate {

enum class Stage : std::uint8_t { intake, reference, outlet, market, desk };
constexpr std::string_view name_of(Stage stage) {
  constexpr std::string_view kNames[] = {"intake", "reference", "outlet", "market", "desk"};
  return kNames[static_cast<std::size_t>(stage)];
}
Stage stage_reading(Topic topic);
// Result topics of a stage whose tail a task reads before it speaks. (Not quarantine and seals, where several stages write to one
// partition: shared_targets_of.)
std::vector<Topic> result_topics_of(Stage stage);
// Where else a task writes, beside other senders.
std::vector<Input> shared_targets_of(Stage stage, std::int32_t partition, const Definition& definition);
// What the tasks of a stage read, in order.
std::vector<Input> inputs_of(Stage stage, const Definition& definition);

// What every number is computed by. Raise the versions when formulas or internal encodings change: a process refuses to go
// on with a state or topic of another definition. What decode accepts and how it rejects counts as encoding: intake that reads a source
// partition again has to say the same again.
inline constexpr std::int32_t kFormulasVersion = 2;
inline constexpr std::int32_t kEncodingsVersion = 8;
Definition make_definition(const std::string& timezone, const PartitionCounts& counts);
std::string definition_bytes(const Definition& definition);  // for comparison
std::string definition_id(const Definition& definition);     // as kept in states
// Whether the definition at the head of a topic is the one whose bytes these are. Error: stop.
[[nodiscard]] Result<void> check_definition(Topic topic, const Definition& found, const std::string& our_bytes);
// The first record of a partition of an internal topic.
std::string definition_record(Topic topic, const Definition& definition);

// Partitions of the source topics, counted through in the order of the definition.
std::vector<Input> source_inputs(const Definition& definition);

// By whose key a record of an internal topic is placed.
std::int32_t ledger_partition_of(std::string_view outlet_id, const Definition& definition);
std::int32_t market_partition_of(std::string_view brand_id, const Definition& definition);

}  // namespace fiverate
