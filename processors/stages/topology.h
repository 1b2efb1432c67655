// The topics and stages as one table, and the definition that every number is computed with.
//
//   stage          reads                              one task for each   state
//   intake         orders deliveries visits commands  source partition    in its checkpoints
//   reference      reference                          its one partition   identities
//   outlet         ledger                             ledger partition    outlets, SKUs
//   market         deltas                             deltas partition    cells, alerts, SKUs, regions
//   alert manager  signals                            signals partition   alerts, silences, regions
//
//   stage          writes
//   intake         ledger, signals, quarantine
//   reference      ledger, deltas, signals, quarantine
//   outlet         deltas, signals, quarantine, seals
//   market         metrics, metrics-final, signals, seals
//   alert manager  alerts, alert-log, seals
//
// `--stage intake` runs intake and reference together. The alert manager is the stage "desk" in topics, states and
// `--stage desk`.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ledger.pb.h"
#include "processors/stream/ports.h"
#include "processors/trade/facts/acceptance.h"
#include "processors/trade/measures/selection.h"
#include "schemas/instant.h"
#include "schemas/topics.h"

namespace fiverate {

enum class Stage : std::uint8_t { intake, reference, outlet, market, desk };
constexpr std::string_view name_of(Stage stage) {
  constexpr std::array<std::string_view, 5> kNames{"intake", "reference", "outlet", "market", "desk"};
  return kNames[static_cast<std::size_t>(stage)];
}
Stage stage_reading(Topic topic);
// The topics that a stage writes to, for messages: "alerts, alert-log, seals".
std::string_view output_topics_text(Stage stage);
// The partitions that the tasks of a stage read, in order.
std::vector<Input> inputs_of(Stage stage, const Definition& definition);

// The definition names everything that the numbers depend on. A process refuses a state or topic of another definition.
// Raise a version when formulas or internal encodings change. The rules by which decode accepts and rejects are part of
// the encodings: intake that reads a source partition again must produce the same ledger records.
inline constexpr std::int32_t kFormulasVersion = 2;
inline constexpr std::int32_t kEncodingsVersion = 12;
Definition make_definition(const std::string& timezone, const PartitionCounts& counts,
                           const AcceptanceLimits& limits = {}, const Selection& selection = {});
// The groups of measures and the windows that the market computes.
Selection selection_of(const Definition& definition);
// A hash of the definition that the topics were created with, kept in each state. An extension does not change it.
std::string definition_id(const Definition& definition);
// Compares a definition in a topic with ours, by their ids. If they differ, it returns an error with Reaction::stop.
[[nodiscard]] Result<void> check_definition(Topic topic, const Definition& found, const std::string& our_id);
// The value of a record with the definition: the first of a partition of an internal topic, or an extension in the ledger.
std::string definition_record(Topic topic, const Definition& definition);
// Its timestamp. The first record is earlier than all others; an extension is later than all before it, so that a reader
// finds it by its time.
Millis definition_time(const Definition& definition);
inline constexpr Millis kExtensionsFrom = kYear10000Ms;

// All partitions of the source topics, in the order of the definition. Progress records name a partition by its index
// here. The partitions of an extension follow those before it.
std::vector<Input> source_inputs(const Definition& definition);

// An extension adds source partitions to a market that exists. From its record in a ledger partition on, the watermark
// there waits for the new partitions too.
Definition extended(Definition definition, std::int32_t source_partitions);
Definition without_extensions(Definition definition);
// The numbers of partitions of orders, deliveries and visits: at the creation and after each extension.
std::vector<std::int32_t> source_partition_counts(const Definition& definition);
PartitionCounts partition_counts(const Definition& definition);

// The partition of an outlet in ledger and of a brand in deltas and signals.
std::int32_t ledger_partition_of(std::string_view outlet_id, const Definition& definition);
std::int32_t market_partition_of(std::string_view brand_id, const Definition& definition);

}  // namespace fiverate
