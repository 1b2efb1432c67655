// "; did you mean "prefix"?": the known name nearest to one that is not known, for messages about configurations and maps.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fiverate {

// Empty when none is near. Upper and lower case do not matter.
std::string did_you_mean(std::string_view given, std::span<const std::string> known);

}  // namespace fiverate
