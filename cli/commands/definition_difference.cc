#include "cli/commands/definition_difference.h"

#include <chrono>

#include "processors/edge/kafka_log.h"

namespace fiverate {
namespace {

// The definition is the first record of every internal partition.
std::optional<Definition> definition_in_topics(const Context& context) {
  ReaderOptions reading;
  reading.inputs = {{Topic::ledger, 0}};
  reading.until_end = true;
  const auto reader = KafkaReader::open(context.kafka, reading);
  if (!reader) return std::nullopt;
  std::vector<InRecord> records;
  while (records.empty() && !(*reader)->finished()) {
    if (!(*reader)->poll(std::chrono::milliseconds(100), records)) return std::nullopt;
  }
  LedgerRecord first;
  if (records.empty() || records.front().offset != 0 ||
      !first.ParseFromArray(records.front().value.data(), static_cast<int>(records.front().value.size())) ||
      !first.has_definition()) {
    return std::nullopt;
  }
  return first.definition();
}

std::int32_t source_partitions_of(const Definition& definition) {
  return definition.sources_size() > 0 ? definition.sources(0).partitions() : 0;
}

}  // namespace

std::string to_text(const DefinitionDifference& difference) {
  return fmt::format("{}: topics have {}, this configuration has {}.", difference.setting, difference.in_topics,
                     difference.expected);
}

std::vector<DefinitionDifference> definition_differences(const Context& context) {
  std::vector<DefinitionDifference> differences;
  const auto found = definition_in_topics(context);
  if (!found) return differences;
  const auto expected = context.definition();
  const auto compare = [&](const char* name, const auto& in_topics, const auto& here) {
    if (in_topics != here) differences.push_back({name, fmt::format("{}", here), fmt::format("{}", in_topics)});
  };
  compare("market.timezone", found->timezone(), expected.timezone());
  compare("market.outlet_day_documents_max", found->outlet_day_documents_max(), expected.outlet_day_documents_max());
  compare("topics.ledger_partitions", found->ledger_partitions(), expected.ledger_partitions());
  compare("topics.market_partitions", found->market_partitions(), expected.market_partitions());
  compare("topics.source_partitions", source_partitions_of(*found), source_partitions_of(expected));
  compare("version of the formulas", found->formulas_version(), expected.formulas_version());
  compare("version of the encodings", found->encodings_version(), expected.encodings_version());
  return differences;
}

}  // namespace fiverate
