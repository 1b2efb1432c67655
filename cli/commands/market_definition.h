// The definition of the market that the topics hold: as they were created, with the extensions since then.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/commands/context.h"
#include "processors/runtime/growth_watch.h"

namespace fiverate {

// The latest definition in a partition of the ledger. Nothing: it has none, or there is no such partition.
[[nodiscard]] Result<std::optional<Definition>> definition_in_ledger(const Context& context, std::int32_t partition);

// The definition to work with: that of the configuration, with the source partitions of the market's extensions. topics.source_partitions
// may be any number that the market has had. With another one, or without a market, it is the definition of the configuration.
[[nodiscard]] Result<Definition> market_definition(const Context& context);

struct DefinitionDifference {
  std::string setting;   // "market.timezone"
  std::string expected;  // by this configuration
  std::string in_topics;
};
// "market.timezone: topics have Asia/Shanghai, this configuration has Europe/Berlin."
std::string to_text(const DefinitionDifference& difference);

// Between the definition in the topics and that of this configuration. Empty if the one in the topics cannot be read.
std::vector<DefinitionDifference> definition_differences(const Context& context);

// The source topics that have more partitions in Kafka than in the definition.
[[nodiscard]] Result<std::vector<UnreadPartitions>> unread_partitions(const Context& context);

}  // namespace fiverate
