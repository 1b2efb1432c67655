#include "processors/stages/topology.h"

#include <algorithm>
#include <map>

#include "processors/stages/internal_record.h"
#include "processors/trade/measures/measure.h"
#include "schemas/check.h"

namespace fiverate {

Stage stage_reading(Topic topic) {
  switch (topic) {
    case Topic::ledger:
      return Stage::outlet;
    case Topic::deltas:
      return Stage::market;
    case Topic::signals:
      return Stage::desk;
    case Topic::reference:
      return Stage::reference;
    default:
      return Stage::intake;
  }
}

std::string_view output_topics_text(Stage stage) {
  switch (stage) {
    case Stage::intake:
      return "ledger, signals, quarantine";
    case Stage::reference:
      return "ledger, deltas, signals, quarantine";
    case Stage::outlet:
      return "deltas, signals, quarantine, seals";
    case Stage::market:
      return "metrics, metrics-final, signals, seals";
    case Stage::desk:
      return "alerts, alert-log, seals";
  }
  return "";
}

std::vector<Input> inputs_of(Stage stage, const Definition& definition) {
  if (stage == Stage::intake || stage == Stage::reference) {
    auto inputs = source_inputs(definition);
    std::erase_if(inputs, [&](const Input& input) { return stage_reading(input.topic) != stage; });
    std::ranges::sort(inputs);
    return inputs;
  }
  const auto topic = stage == Stage::outlet ? Topic::ledger : stage == Stage::market ? Topic::deltas : Topic::signals;
  std::vector<Input> inputs;
  const auto partitions = topic == Topic::ledger ? definition.ledger_partitions() : definition.market_partitions();
  inputs.reserve(static_cast<std::size_t>(partitions));
  for (std::int32_t i = 0; i < partitions; ++i) inputs.push_back({topic, i});
  return inputs;
}

Definition make_definition(const std::string& timezone, const PartitionCounts& counts, const AcceptanceLimits& limits,
                           const Selection& selection) {
  Definition definition;
  definition.set_timezone(timezone);
  for (const auto window : selection.windows) definition.add_windows_days(kWindows[window]);
  definition.set_order_lateness_ms(limits.order_lateness);
  definition.set_delivery_lateness_ms(limits.delivery_lateness);
  definition.set_visit_lateness_ms(limits.visit_lateness);
  definition.set_future_skew_ms(limits.future_skew);
  definition.set_pending_ms(kDayMs);
  for (std::size_t i = 0; i < kBrandMeasureNames.size(); ++i) {
    if (selection.measures.has(kBrandMeasures[i].measure)) definition.add_measures(std::string(kBrandMeasureNames[i]));
  }
  definition.set_formulas_version(kFormulasVersion);
  definition.set_encodings_version(kEncodingsVersion);
  for (const auto topic : kSourceTopics) {
    auto& source = *definition.add_sources();
    source.set_topic(std::string(name_of(topic)));
    source.set_partitions(counts.of(topic));
  }
  definition.set_ledger_partitions(counts.ledger);
  definition.set_market_partitions(counts.market);
  definition.set_outlet_day_documents_max(limits.outlet_day_documents_max);
  return definition;
}

Selection selection_of(const Definition& definition) {
  Selection selection{MeasureGroups::none(), {}};
  for (const auto days : definition.windows_days()) {
    const auto found = std::ranges::find(kWindows, days);
    if (found != kWindows.end()) selection.windows.insert(static_cast<std::size_t>(found - kWindows.begin()));
  }
  for (const auto& name : definition.measures()) {
    const auto found = std::ranges::find(kBrandMeasures, name, &BrandMeasureEntry::name);
    if (found != kBrandMeasures.end()) selection.measures.insert(found->group);
  }
  return selection;
}

std::string definition_id(const Definition& definition) {
  return chain_text(chained(0, "", without_extensions(definition).SerializeAsString()));
}

Result<void> check_definition(Topic topic, const Definition& found, const std::string& our_id) {
  if (definition_id(found) == our_id) return {};
  return fail(Reaction::stop,
              "The topic {} was created with another definition (time zone, partitions, documents of an outlet and "
              "day, measures, windows, or version) than that of this process. "
              "Use the configuration and the version that the topics were created with.",
              name_of(topic));
}

std::string definition_record(Topic topic, const Definition& definition) {
  return internal_record(topic, [&](auto& record) { *record.mutable_definition() = definition; });
}

Millis definition_time(const Definition& definition) {
  const auto extensions = source_partition_counts(definition).size() - 1;
  return extensions == 0 ? 1 : kExtensionsFrom + static_cast<Millis>(extensions);
}

std::vector<Input> source_inputs(const Definition& definition) {
  std::vector<Input> inputs;
  std::map<std::string, std::int32_t> counts;
  for (const auto& source : definition.sources()) {
    const auto topic = topic_named(source.topic());
    CHECK(topic.has_value(), source.topic());
    auto& partition = counts[source.topic()];
    for (; partition < source.partitions(); ++partition) inputs.push_back({*topic, partition});
  }
  return inputs;
}

Definition extended(Definition definition, std::int32_t source_partitions) {
  for (const auto topic : kDocumentTopics) {
    auto& source = *definition.add_sources();
    source.set_topic(std::string(name_of(topic)));
    source.set_partitions(source_partitions);
  }
  return definition;
}

Definition without_extensions(Definition definition) {
  auto& sources = *definition.mutable_sources();
  const auto created = std::min(sources.size(), static_cast<int>(kSourceTopics.size()));
  sources.DeleteSubrange(created, sources.size() - created);
  return definition;
}

std::vector<std::int32_t> source_partition_counts(const Definition& definition) {
  std::vector<std::int32_t> counts;
  for (const auto& source : definition.sources()) {
    if (source.topic() == name_of(kDocumentTopics.front())) counts.push_back(source.partitions());
  }
  return counts;
}

PartitionCounts partition_counts(const Definition& definition) {
  return {source_partition_counts(definition).back(), definition.ledger_partitions(), definition.market_partitions()};
}

std::int32_t ledger_partition_of(std::string_view outlet_id, const Definition& definition) {
  return partition_of(outlet_id, definition.ledger_partitions());
}

std::int32_t market_partition_of(std::string_view brand_id, const Definition& definition) {
  return partition_of(brand_id, definition.market_partitions());
}

}  // namespace fiverate
