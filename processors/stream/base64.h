// Bytes as text, for what the group keeps with an offset.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fiverate {

std::string to_base64(std::string_view bytes);
// Nothing if it is none.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace fiverate
