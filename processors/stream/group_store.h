// The store of a task whose state is so small that it travels with the group's offset, as text (intake: the highest arrival
// of its partition). Nothing on disk; lost with the group's offsets, which only means that the log is read again.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <map>

#include "processors/stream/ports.h"

namespace fiverate {

class GroupStore final : public Store {
 public:
  // What the group committed last, if anything.
  explicit GroupStore(const std::optional<Committed>& committed) {
    if (committed) load(committed->metadata);
  }

  Result<std::optional<std::string>> get(std::string_view key) const override {
    const auto found = content_.find(key);
    if (found == content_.end()) return std::nullopt;
    return found->second;
  }
  Result<void> scan(std::string_view prefix,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    for (auto at = content_.lower_bound(prefix); at != content_.end() && at->first.starts_with(prefix); ++at) {
      if (!visit(at->first, at->second)) break;
    }
    return {};
  }
  Result<void> write(const StoreBatch& batch) override {
    for (const auto& [key, value] : batch.changes) {
      if (value) {
        content_[key] = *value;
      } else {
        content_.erase(key);
      }
    }
    return {};
  }
  std::string where() const override { return "the group's offsets"; }

  // "key=hex key=hex"; Kafka keeps 4,096 bytes. What stands behind it without "=" is not ours.
  std::optional<std::string> group_text() const override {
    std::string text;
    for (const auto& [key, value] : content_) {
      if (!text.empty()) text += ' ';
      text += key + "=";
      for (const char byte : value) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return text;
  }

 private:
  void load(std::string_view text) {
    while (!text.empty()) {
      const auto pair = text.substr(0, text.find(' '));
      text.remove_prefix(std::min(pair.size() + 1, text.size()));
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      std::string value;
      for (auto at = equals + 1; at + 1 < pair.size(); at += 2) {
        unsigned byte = 0;
        std::from_chars(pair.data() + at, pair.data() + at + 2, byte, 16);
        value.push_back(static_cast<char>(byte));
      }
      content_[std::string(pair.substr(0, equals))] = std::move(value);
    }
  }

  std::map<std::string, std::string, std::less<>> content_;
};

}  // namespace fiverate
