// Encodes several texts as one key of the store. Keys sort like their texts. "\0\0" ends each text; a NUL within a text is written as
// "\0\1", since ids may hold any character.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace fiverate {

inline constexpr std::string_view kPartEnds{"\0\0", 2};
inline constexpr std::string_view kNulInPart{"\0\1", 2};

inline void append_part(std::string& key, std::string_view part) {
  for (const char c : part) c == '\0' ? key += kNulInPart : key += c;
  key += kPartEnds;
}

inline std::string joined_parts(std::initializer_list<std::string_view> parts) {
  std::string key;
  for (const auto part : parts) append_part(key, part);
  return key;
}

inline std::vector<std::string> split_parts(std::string_view key) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (key[i] != '\0') {
      parts.back() += key[i];
    } else if (key.substr(i, 2) == kNulInPart) {
      parts.back() += '\0';
      ++i;
    } else {
      parts.emplace_back();
      ++i;
    }
  }
  parts.pop_back();  // the empty rest behind the last end
  return parts;
}

}  // namespace fiverate
