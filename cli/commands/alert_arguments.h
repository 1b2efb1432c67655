// The filters of alerts on the command line; what `alerts` and `watch alerts` share.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "readers/query/alerts_query.h"

namespace fiverate {

struct AlertArguments {
  AlertFilter filter;
  std::string brand, region, outlet, rule, severity;  // as said; the filter is set from them
};

inline void add_filters(CLI::App& command, AlertArguments& arguments) {
  const auto text = [&](const char* name, std::string& said, std::optional<std::string>& wanted, const char* help) {
    return command.add_option(name, said, help)->each([&wanted](const std::string& value) { wanted = value; });
  };
  auto& filter = arguments.filter;
  text("--brand", arguments.brand, filter.brand_id, "Only this brand");
  text("--region", arguments.region, filter.region_id, "Only this region and all below it");
  text("--outlet", arguments.outlet, filter.outlet_id, "Only this outlet");
  text("--rule", arguments.rule, filter.rule, "Only this rule, such as R1");
  static const std::map<std::string, Transition::Severity> kSeverities{
      {"info", Transition::INFO}, {"warning", Transition::WARNING}, {"critical", Transition::CRITICAL}};
  command.add_option("--severity", arguments.severity, "Only info, warning or critical")
      ->check(CLI::IsMember(kSeverities))
      ->each([&filter](const std::string& value) { filter.severity = kSeverities.at(value); });
}

}  // namespace fiverate
