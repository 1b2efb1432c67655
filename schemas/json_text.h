// The one writer of JSON and its escapes. Control characters are written as \b \f \n \r \t or \u00xx (lower case); all other
// characters stand as they are. Keys and FINAL files are compared byte for byte, so this form never changes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "schemas/format.h"

namespace fiverate {

template <typename Buffer>
void append(std::string_view text, Buffer& out) {
  out.append(text.data(), text.data() + text.size());
}

// Appends a text as a JSON string with its quotes to any buffer that has push_back and append(first, last).
template <typename Buffer>
void append_json_string(std::string_view text, Buffer& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto needs_escape = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; };
  out.push_back('"');
  while (!text.empty()) {
    const auto plain = static_cast<std::size_t>(std::find_if(text.begin(), text.end(), needs_escape) - text.begin());
    append(text.substr(0, plain), out);
    if (plain == text.size()) break;
    const char c = text[plain];
    text.remove_prefix(plain + 1);
    switch (c) {
      case '"':
        append("\\\"", out);
        break;
      case '\\':
        append("\\\\", out);
        break;
      case '\b':
        append("\\b", out);
        break;
      case '\f':
        append("\\f", out);
        break;
      case '\n':
        append("\\n", out);
        break;
      case '\r':
        append("\\r", out);
        break;
      case '\t':
        append("\\t", out);
        break;
      default:
        append("\\u00", out);
        out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
        out.push_back(kHex[static_cast<unsigned char>(c) & 0xF]);
    }
  }
  out.push_back('"');
}

// Appends JSON without spaces to a text, which may hold the beginning of an object or array, or lines before this one:
//   JsonWriter json(line);
//   json.begin_object(); json.key("lines"); json.begin_array(); json.integer(5); json.end_array(); json.end_object();
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(&out) {}

  void begin_object() { begin('{'); }
  void end_object() { *out_ += '}'; }
  void begin_array() { begin('['); }
  void end_array() { *out_ += ']'; }

  void key(std::string_view name) {
    text(name);
    *out_ += ':';
  }
  void text(std::string_view value) {
    separate();
    append_json_string(value, *out_);
  }
  void integer(std::int64_t value) {
    const fmt::format_int digits(value);
    literal({digits.data(), digits.size()});
  }
  void boolean(bool value) { literal(value ? "true" : "false"); }
  // A value, or several members, in JSON already.
  void literal(std::string_view json) {
    separate();
    *out_ += json;
  }

  // A member of the open object.
  void text(std::string_view name, std::string_view value) {
    key(name);
    text(value);
  }
  void integer(std::string_view name, std::int64_t value) {
    key(name);
    integer(value);
  }

 private:
  void begin(char bracket) {
    separate();
    *out_ += bracket;
  }

  // A comma stands before every value but the first of an object, array or line and that of a key.
  void separate() {
    if (!out_->empty() && std::string_view("{[:\n").find(out_->back()) == std::string_view::npos) *out_ += ',';
  }

  std::string* out_;
};

// A key of several parts, unambiguous and readable: ["PLUM","QL-SHAN",""].
inline std::string json_array(std::initializer_list<std::string_view> texts) {
  std::string out;
  JsonWriter json(out);
  json.begin_array();
  for (const auto text : texts) json.text(text);
  json.end_array();
  return out;
}

}  // namespace fiverate
