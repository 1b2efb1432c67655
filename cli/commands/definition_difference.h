// The differences between the definition in the topics and that of this configuration, for a person.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/context.h"

namespace fiverate {

// One sentence for each difference, such as "market.timezone: topics have Asia/Shanghai, this configuration has
// Europe/Berlin." Empty if the definition in the topics cannot be read.
std::vector<std::string> definition_differences(const Context& context);

}  // namespace fiverate
