// Messages to people: on stderr and in the log. Each passes through message_text(), which hides secrets and escapes control
// characters, so that a value of an event, a command, the configuration or the broker cannot forge a line.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace fiverate {

inline constexpr std::string_view kRedacted = "(redacted)";

// From now on the values of secret properties, and the passwords in URLs of the others, are hidden wherever they occur in a
// message. Called once at the start, before other threads write messages.
void hide_secrets_of(const std::map<std::string, std::string>& properties);

// The text without those secrets, without passwords in URLs (scheme://user:password@host), and without the value behind the
// name of a secret (sasl.password=...).
std::string without_secrets(std::string_view text);

// The text without secrets and visible(), on one line.
std::string message_text(std::string_view text);

// Writes "fiverate: " and the message to stderr. Further lines of the message are indented.
void print_message(std::string_view text);
// Writes one line to stderr without that prefix: what a command has done.
void print_note(std::string_view text);

}  // namespace fiverate
