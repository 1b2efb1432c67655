// Writes to a memory log. Every record is acknowledged when it is sent.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "readers/audit/memory_log.h"

namespace fiverate {

class MemorySink : public Sink {
 public:
  explicit MemorySink(MemoryLog& log) : log_(log) {}

  Result<void> send(OutRecord record) override {
    const Input target{record.topic, record.partition};
    const auto sender = record.cause ? record.cause->sender : std::string();
    log_.append(std::move(record));
    if (!sender.empty()) ends_[{target, sender}] = log_.end_offset(target);
    return {};
  }
  Result<void> flush() override { return {}; }
  std::optional<std::int64_t> acknowledged_end(const Input& target, const std::string& sender) const override {
    const auto found = ends_.find({target, sender});
    return found == ends_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  MemoryLog& log_;
  std::map<std::pair<Input, std::string>, std::int64_t> ends_;
};

}  // namespace fiverate
