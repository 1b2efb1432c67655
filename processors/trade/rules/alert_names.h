// The names of alert states and severities as they appear in files, silence matchers and filters.
#pragma once

#include <string_view>

#include "alerts.pb.h"

namespace fiverate {

constexpr std::string_view name_of(Transition::State state) {
  switch (state) {
    case Transition::FIRING:
      return "FIRING";
    case Transition::RESOLVED:
      return "RESOLVED";
    case Transition::RETRACTED:
      return "RETRACTED";
    default:
      return "";
  }
}

constexpr std::string_view name_of(Transition::Severity severity) {
  switch (severity) {
    case Transition::INFO:
      return "info";
    case Transition::WARNING:
      return "warning";
    case Transition::CRITICAL:
      return "critical";
    default:
      return "";
  }
}

}  // namespace fiverate
