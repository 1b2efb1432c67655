// The store of a task whose state is so small that it travels with the group's offset, as text (intake: the highest arrival
// of its partition, and how its outputs are chained). Nothing on disk; lost with the group's offsets, which only means that the log is
// read again.
#pragma once

#include "processors/stream/base64.h"
#include "processors/stream/memory_log.h"

namespace fiverate {

class GroupStore final : public MemoryStore {
 public:
  // What the group committed last, if anything. To speak again from before it, the task goes back to the beginning: there is no
  // older state.
  explicit GroupStore(const std::optional<Committed>& committed, std::optional<std::int64_t> speak_from = std::nullopt)
      : MemoryStore(std::make_shared<Content>(
            committed && !(speak_from && *speak_from < committed->offset) ? content_of(committed->metadata) : Content{})) {}

  std::string where() const override { return "the group's offsets"; }

  // "key=base64 key=base64"; Kafka keeps 4,096 bytes (offset.metadata.max.bytes). What stands behind it without "=" is not ours.
  std::optional<std::string> group_text() const override {
    std::string text;
    const auto all = scan("", [&](std::string_view key, std::string_view value) {
      if (!text.empty()) text += ' ';
      text.append(key).append("=").append(to_base64(value));
      return true;
    });
    return all ? std::optional(text) : std::nullopt;
  }

 private:
  static Content content_of(std::string_view text) {
    Content content;
    while (!text.empty()) {
      const auto pair = text.substr(0, text.find(' '));
      text.remove_prefix(std::min(pair.size() + 1, text.size()));
      const auto equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      if (auto value = from_base64(pair.substr(equals + 1))) content[std::string(pair.substr(0, equals))] = std::move(*value);
    }
    return content;
  }
};

}  // namespace fiverate
