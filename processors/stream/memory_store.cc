#include "processors/stream/memory_store.h"

namespace fiverate {

Result<std::optional<std::string>> MemoryStore::get(std::string_view key) const {
  const auto found = content_->find(key);
  if (found == content_->end()) return std::nullopt;
  return found->second;
}

Result<void> MemoryStore::scan(std::string_view prefix,
                               const std::function<bool(std::string_view, std::string_view)>& visit) const {
  for (auto at = content_->lower_bound(prefix); at != content_->end() && at->first.starts_with(prefix); ++at) {
    if (!visit(at->first, at->second)) break;
  }
  return {};
}

Result<void> MemoryStore::write(const StoreBatch& batch) {
  for (const auto& [key, value] : batch.changes) {
    if (value) {
      content_->insert_or_assign(key, *value);
    } else if (const auto found = content_->find(key); found != content_->end()) {
      content_->erase(found);
    }
  }
  return {};
}

std::shared_ptr<MemoryStore::Content> CheckpointStore::content_of(const std::optional<Checkpoint>& checkpoint) {
  auto content = std::make_shared<Content>();
  if (checkpoint) {
    for (const auto& entry : checkpoint->state()) content->emplace(entry.key(), entry.value());
  }
  return content;
}

}  // namespace fiverate
