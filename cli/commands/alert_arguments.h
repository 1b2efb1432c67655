// The filter options of `alerts` and `watch alerts`.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "readers/query/alerts_query.h"

namespace fiverate {

struct AlertArguments {
  AlertFilter filter;
  std::string brand, region, outlet, rule, severity;  // as given; `filter` is set from them
};

inline void add_filters(CLI::App& command, AlertArguments& arguments) {
  const auto text = [&](const char* name, std::string& given, std::optional<std::string>& condition, const char* help) {
    return command.add_option(name, given, help)->each([&condition](const std::string& value) { condition = value; });
  };
  auto& filter = arguments.filter;
  text("--brand", arguments.brand, filter.brand_id, "Only this brand");
  text("--region", arguments.region, filter.region_id, "Only this region and the regions below it");
  text("--outlet", arguments.outlet, filter.outlet_id, "Only this outlet");
  text("--rule", arguments.rule, filter.rule, "Only this rule, such as R1");
  static const std::map<std::string, Transition::Severity> kSeverities{
      {"info", Transition::INFO}, {"warning", Transition::WARNING}, {"critical", Transition::CRITICAL}};
  command.add_option("--severity", arguments.severity, "Only this severity: info, warning or critical")
      ->check(CLI::IsMember(kSeverities))
      ->each([&filter](const std::string& value) { filter.severity = kSeverities.at(value); });
}

}  // namespace fiverate
