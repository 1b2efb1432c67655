// A text as a JSON string with its quotes, appended to any buffer with push_back and append(first, last).
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace fiverate {

template <typename Buffer>
void append(std::string_view text, Buffer& out) {
  out.append(text.data(), text.data() + text.size());
}

template <typename Buffer>
void append_json_string(std::string_view text, Buffer& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"': append("\\\"", out); break;
      case '\\': append("\\\\", out); break;
      case '\b': append("\\b", out); break;
      case '\f': append("\\f", out); break;
      case '\n': append("\\n", out); break;
      case '\r': append("\\r", out); break;
      case '\t': append("\\t", out); break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          append("\\u00", out);
          out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
          out.push_back(kHex[static_cast<unsigned char>(c) & 0xF]);
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
}

// A key of several parts, unambiguous and readable: ["PLUM","QL-SHAN",""].
inline std::string json_array(std::initializer_list<std::string_view> texts) {
  std::string array;
  for (const auto text : texts) {
    array += array.empty() ? '[' : ',';
    append_json_string(text, array);
  }
  array += ']';
  return array;
}

}  // namespace fiverate
