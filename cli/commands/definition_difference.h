// The differences between the definition in the topics and that of this configuration.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/context.h"

namespace fiverate {

struct DefinitionDifference {
  std::string setting;   // "market.timezone"
  std::string expected;  // by this configuration
  std::string in_topics;
};
// "market.timezone: topics have Asia/Shanghai, this configuration has Europe/Berlin."
std::string to_text(const DefinitionDifference& difference);

// Empty if the definition in the topics cannot be read.
std::vector<DefinitionDifference> definition_differences(const Context& context);

}  // namespace fiverate
