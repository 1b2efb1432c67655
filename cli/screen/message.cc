#include "cli/screen/message.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "cli/config/config.h"
#include "schemas/visible_text.h"

namespace fiverate {
namespace {

constexpr std::size_t kSecretBytesMin = 4;  // shorter ones occur by chance
// Where a URL, a server or a property with its value ends: in a message, and in the value of a property.
constexpr std::string_view kTokenEnds = " \t\r\n,;\"'`()<>[]{}";
constexpr std::string_view kListEnds = " ,";

struct Span {
  std::size_t begin;
  std::size_t end;
};

// The password of [scheme://]user:password@host; empty if the token is none. A password may contain ':' and '@'.
Span password_in(std::string_view token) {
  const auto scheme = token.find("://");
  const auto user = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto at = token.rfind('@');
  const auto colon = token.find(':', user);
  if (at == std::string_view::npos || colon == std::string_view::npos || colon >= at) return {0, 0};
  return {colon + 1, at};
}

// The value behind the name of a secret, as in kafka.sasl.password=x; empty if the token is no such thing.
Span value_in(std::string_view token) {
  const auto equals = token.find('=');
  if (equals == std::string_view::npos || !is_secret(token.substr(0, equals))) return {0, 0};
  return {equals + 1, token.size()};
}

// Calls `visit(token)` for each token and `pass(text)` for what separates them.
template <typename Visit, typename Pass>
void for_each_token(std::string_view text, std::string_view ends, Visit visit, Pass pass) {
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(ends), text.size());
    if (end > 0) visit(text.substr(0, end));
    const auto next = std::min(text.find_first_not_of(ends, end), text.size());
    pass(text.substr(end, next - end));
    text.remove_prefix(next);
  }
}

// Longest first, so that a secret that contains another one is hidden whole.
std::vector<std::string>& secrets() {
  static std::vector<std::string> all;
  return all;
}

void hide(std::string_view secret) {
  auto& all = secrets();
  if (secret.size() < kSecretBytesMin || std::find(all.begin(), all.end(), secret) != all.end()) return;
  all.emplace_back(secret);
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

void replace_all(std::string& text, std::string_view secret) {
  for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kRedacted.size()))
    text.replace(at, secret.size(), kRedacted);
}

void write_line(std::string_view prefix, std::string_view text) {
  const auto line = std::string(prefix) + std::string(text) + "\n";
  // An error of stderr is ignored: there is no other place to report it.
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

void hide_secrets_of(const std::map<std::string, std::string>& properties) {
  for (const auto& [name, value] : properties) {
    if (is_secret(name)) hide(value);
    for_each_token(
        value, kListEnds,
        [](std::string_view token) {
          const auto [begin, end] = password_in(token);
          hide(token.substr(begin, end - begin));
        },
        [](std::string_view) {});
  }
}

std::string without_secrets(std::string_view text) {
  std::string known(text);
  for (const auto& secret : secrets()) replace_all(known, secret);
  std::string out;
  const auto visit = [&](std::string_view token) {
    auto hidden = value_in(token);
    if (hidden.begin == hidden.end) hidden = password_in(token);
    if (hidden.begin == hidden.end) {
      out += token;
    } else {
      out.append(token.substr(0, hidden.begin)).append(kRedacted).append(token.substr(hidden.end));
    }
  };
  for_each_token(known, kTokenEnds, visit, [&](std::string_view separators) { out += separators; });
  return out;
}

std::string message_text(std::string_view text) {
  return visible(without_secrets(text));
}

void print_message(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto safe = visible_lines(without_secrets(text));
  std::string indented;
  for (std::size_t i = 0; i < safe.size(); ++i) {
    indented += safe[i];
    if (safe[i] == '\n' && i + 1 < safe.size() && safe[i + 1] != ' ') indented += "  ";
  }
  write_line("fiverate: ", indented);
}

void print_note(std::string_view text) {
  write_line("", message_text(text));
}

}  // namespace fiverate
