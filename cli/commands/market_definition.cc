#include "cli/commands/market_definition.h"

#include <fmt/ranges.h>

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

// The first definition from there on. Other records with such a time were not written by us. Nothing: there is none.
Result<std::optional<FoundDefinition>> definition_at(const Context& context, const Input& input, ReadFrom from) {
  auto settings = context.kafka;
  settings.fetch_kib = 1024;
  const bool at_beginning = std::holds_alternative<FromOffsets>(from);
  ReaderOptions reading;
  reading.inputs = {input};
  reading.from = std::move(from);
  reading.until_end = true;
  TRY_VALUE(reader, KafkaReader::open(settings, std::move(reading)));
  std::vector<InRecord> records;
  while (!reader->finished()) {
    records.clear();
    TRY(reader->poll(std::chrono::milliseconds(100), records));
    for (const auto& record : records) {
      LedgerRecord ledger;
      if (!record.cause && ledger.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())) &&
          ledger.has_definition()) {
        return FoundDefinition{record.timestamp, ledger.definition()};
      }
      if (at_beginning) return std::nullopt;  // the log does not begin with it any more
    }
  }
  return std::nullopt;
}

// Names as in the configuration, with commas between them.
std::string measures_text(const Definition& definition) {
  const auto selected = selection_of(definition).measures;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kMeasureGroupNames.size(); ++i) {
    if (selected.has(measure_group(i))) names.push_back(kMeasureGroupNames[i]);
  }
  return fmt::format("{}", fmt::join(names, ","));
}
std::string windows_text(const Definition& definition) {
  const auto selected = selection_of(definition).windows;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kWindowNames.size(); ++i) {
    if (selected.has(window_index(i))) names.push_back(kWindowNames[i]);
  }
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace

Result<std::optional<Definition>> definition_in_ledger(const Context& context, std::int32_t partition) {
  const Input input{Topic::ledger, partition};
  auto found = definition_at(context, input, FromOffsets{});
  if (!found && found.error().reaction == Reaction::stop) return std::nullopt;  // no such partition
  std::optional<Definition> latest;
  auto from = kExtensionsFrom;
  for (;;) {
    TRY(found);
    if (*found) latest = (*found)->definition;
    if (*found) from = std::max(from, (*found)->timestamp + 1);
    TRY_VALUE(extension, definition_at(context, input, FromTime{from}));
    if (!extension) return latest;
    found = std::move(extension);
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
  compare("rates.measures", measures_text(**found), measures_text(*expected));
  compare("rates.windows", windows_text(**found), windows_text(*expected));
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
