// Private to cli/config: the table of settings, and their names in files, variables and messages. Included by config.cc
// (reading) and config_show.cc (printing).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/config/config.h"

namespace fiverate {

inline constexpr std::string_view kKafka = "kafka";  // the section that is not in settings()
inline constexpr std::string_view kVariablePrefix = "FIVERATE_";
inline constexpr std::string_view kKafkaVariablePrefix = "FIVERATE_KAFKA_";

const Setting* setting_named(std::string_view section, std::string_view key);
std::vector<std::string> section_names();
bool is_section(std::string_view name);

// Sets the value in the config, or returns what was expected instead. The names of a Set are given as a list, or as one
// text with commas between them.
std::optional<std::string> assign(const Setting& setting, std::string_view given, Config& config);
std::optional<std::string> assign(const Setting& setting, const std::vector<std::string>& given, Config& config);

// Suggests a name for an unknown key: the nearest key of the section, or the same key of another section.
std::string did_you_mean_key(std::string_view section, std::string_view key);

std::string upper_name(std::string_view name);  // topics.prefix -> TOPICS_PREFIX

}  // namespace fiverate
