// The inside of config.h: the table of settings and the words in which files, variables and messages name them. Only
// config.cc (reading) and config_show.cc (printing) include this.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/config/config.h"

namespace fiverate {

inline constexpr std::string_view kKafka = "kafka";  // the section without a table
inline constexpr std::string_view kVariablePrefix = "FIVERATE_";
inline constexpr std::string_view kKafkaVariablePrefix = "FIVERATE_KAFKA_";

const Setting* setting_named(std::string_view section, std::string_view key);
std::vector<std::string> section_names();
bool is_section(std::string_view name);

// What was expected instead, if `given` does not fit; otherwise it is now in the config.
std::optional<std::string> assign(const Setting& setting, std::string_view given, Config& config);

// For a key that its section does not know: the nearest in the section, or the same key of another section.
std::string did_you_mean_key(std::string_view section, std::string_view key);

std::string in_quotes(std::string_view raw);    // as a TOML basic string
std::string upper_name(std::string_view name);  // topics.prefix -> TOPICS_PREFIX

}  // namespace fiverate
