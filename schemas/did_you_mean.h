// Suggests the known name that is nearest to an unknown one, for messages about configurations and maps.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fiverate {

// Returns text like `; did you mean "prefix"?`, or an empty text if no known name is near. Case is ignored.
std::string did_you_mean(std::string_view given, std::span<const std::string> known);

}  // namespace fiverate
