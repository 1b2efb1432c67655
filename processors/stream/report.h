// How core code reports an event to a person: the caller binds it to a log (live) or to nothing (tests, simulation).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace fiverate {

enum class Severity : std::uint8_t { info, warning };

using Report = std::function<void(Severity, const std::string&)>;

inline void ignore_report(Severity, const std::string&) {}

}  // namespace fiverate
