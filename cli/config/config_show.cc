#include <algorithm>

#include "cli/config/settings.h"
#include "cli/screen/message.h"
#include "schemas/format.h"
#include "schemas/visible_text.h"

namespace fiverate {

bool is_secret(std::string_view key) {
  const auto contains = [key](std::string_view part) { return key.find(part) != std::string_view::npos; };
  return contains("password") || contains("passphrase") || contains("secret") || contains("token") ||
         contains("private.key") || contains("ssl.key.") || contains("sasl.oauthbearer.config") ||
         contains("sasl.kerberos.kinit.cmd");
}

std::string shown_value(const EffectiveValue& value) {
  return is_secret(value.key) ? std::string(kRedacted) : without_secrets(value.value);
}

std::string show_config(const LoadedConfig& loaded, bool with_origin) {
  std::vector<std::string> lines;
  std::size_t widest = 0;
  for (const EffectiveValue& value : loaded.values) {
    // A key with dots is quoted, since a bare key would be split at its dots.
    const std::string key = value.section == kKafka ? in_quotes(value.key) : value.key;
    lines.push_back(fmt::format("{} = {}", key, value.is_text ? in_quotes(shown_value(value)) : value.value));
    widest = std::max(widest, lines.back().size());
  }
  constexpr std::size_t kCommentColumnMax = 60;  // a long value does not move the comments of the other lines
  std::string out;
  std::string_view section;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const EffectiveValue& value = loaded.values[i];
    if (value.section != section) {
      section = value.section;
      out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section);
    }
    out += with_origin
               ? fmt::format("{:<{}}  # {}\n", lines[i], std::min(widest, kCommentColumnMax), visible(value.origin))
               : lines[i] + "\n";
  }
  return out;
}

std::string config_reference() {
  std::string out = "| setting | value | default | meaning |\n|---|---|---|---|\n";
  const Config defaults;
  for (const auto& [name, value] : defaults.kafka.properties) {
    out +=
        fmt::format("| `kafka.*` | as librdkafka | `{}` = `{}` | Any librdkafka property, verbatim. |\n", name, value);
  }
  for (const Setting& setting : settings()) {
    const std::string value = setting.is_text() ? setting.read(defaults) : setting.toml(defaults);
    out += fmt::format("| `{}` | {} | {} | {} |\n", setting.name(), setting.kind(),
                       value.empty() ? "(empty)" : "`" + value + "`", setting.help);
  }
  return out;
}

}  // namespace fiverate
