#include "cli/commands/market_definition.h"

#include <algorithm>
#include <chrono>

#include "processors/edge/kafka_log.h"
#include "processors/stages/topology.h"

namespace fiverate {
namespace {

struct FoundDefinition {
  Millis timestamp = 0;
  Definition definition;
};

// The definition in the first record from there on; nothing: there is no record, or it is another one.
Result<std::optional<FoundDefinition>> definition_at(const Context& context, const Input& input, ReadFrom from) {
  auto settings = context.kafka;
  settings.fetch_kib = 1024;
  ReaderOptions reading;
  reading.inputs = {input};
  reading.from = std::move(from);
  reading.until_end = true;
  TRY_VALUE(reader, KafkaReader::open(settings, std::move(reading)));
  std::vector<InRecord> records;
  while (records.empty() && !reader->finished()) TRY(reader->poll(std::chrono::milliseconds(100), records));
  LedgerRecord ledger;
  if (records.empty() ||
      !ledger.ParseFromArray(records.front().value.data(), static_cast<int>(records.front().value.size())) ||
      !ledger.has_definition()) {
    return std::nullopt;
  }
  return FoundDefinition{records.front().timestamp, ledger.definition()};
}

}  // namespace

Result<std::optional<Definition>> definition_in_ledger(const Context& context, std::int32_t partition) {
  std::optional<Definition> latest;
  for (ReadFrom from;;) {
    auto found = definition_at(context, {Topic::ledger, partition}, from);
    if (!found && found.error().reaction == Reaction::stop) return std::nullopt;  // no such partition
    TRY(found);
    if (!*found) return latest;
    latest = std::move((*found)->definition);
    from = FromTime{std::max(kExtensionsFrom, (*found)->timestamp + 1)};
  }
}

Result<Definition> market_definition(const Context& context) {
  auto definition = context.definition();
  TRY_VALUE(found, definition_in_ledger(context, 0));
  if (!found) return definition;
  const auto counts = source_partition_counts(*found);
  if (std::ranges::find(counts, context.config().topics.source_partitions) == counts.end()) return definition;
  *definition.mutable_sources() = found->sources();
  return definition;
}

std::string to_text(const DefinitionDifference& difference) {
  return fmt::format("{}: topics have {}, this configuration has {}.", difference.setting, difference.in_topics,
                     difference.expected);
}

std::vector<DefinitionDifference> definition_differences(const Context& context) {
  std::vector<DefinitionDifference> differences;
  const auto found = definition_in_ledger(context, 0);
  const auto expected = market_definition(context);
  if (!found || !*found || !expected) return differences;
  const auto compare = [&](const char* name, const auto& in_topics, const auto& here) {
    if (in_topics != here) differences.push_back({name, fmt::format("{}", here), fmt::format("{}", in_topics)});
  };
  compare("market.timezone", (*found)->timezone(), expected->timezone());
  compare("market.outlet_day_documents_max", (*found)->outlet_day_documents_max(),
          expected->outlet_day_documents_max());
  compare("topics.ledger_partitions", (*found)->ledger_partitions(), expected->ledger_partitions());
  compare("topics.market_partitions", (*found)->market_partitions(), expected->market_partitions());
  compare("topics.source_partitions", partition_counts(**found).source, partition_counts(*expected).source);
  compare("version of the formulas", (*found)->formulas_version(), expected->formulas_version());
  compare("version of the encodings", (*found)->encodings_version(), expected->encodings_version());
  return differences;
}

Result<std::vector<UnreadPartitions>> unread_partitions(const Context& context) {
  TRY_VALUE(partitions, count_partitions(context.kafka));
  const auto unread = unread_partitions(context.definition(), partitions);
  if (unread.empty()) return unread;
  TRY_VALUE(definition, market_definition(context));
  return unread_partitions(definition, partitions);
}

}  // namespace fiverate
