// A typed part of a task's state: records of one key prefix, decoded on first use, written back at commit, dropped from
// memory when the budget is used up. Reads see what has not been written yet.
//
//   struct Codec { Result<T> decode(std::string_view bytes); std::string encode(const T&); };
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "processors/stream/ports.h"

namespace fiverate {

template <typename T, typename Codec>
class StateTable {
 public:
  // `budget_bytes` counts encoded sizes; what is dirty stays whatever the budget.
  StateTable(std::string prefix, Codec codec, std::size_t budget_bytes)
      : prefix_(std::move(prefix)), codec_(std::move(codec)), budget_bytes_(budget_bytes) {}

  void open(const Store& store) { store_ = &store; }

  // The record of a key, empty (T{}) if there is none yet. The pointer holds until the next save().
  [[nodiscard]] Result<T*> get(std::string_view key) {
    if (auto* cached = find(key)) return cached;
    auto bytes = store_->get(prefix_ + std::string(key));
    if (!bytes) return tl::make_unexpected(bytes.error());
    return load(key, bytes->has_value() ? std::string_view(**bytes) : std::string_view{}, bytes->has_value());
  }

  // As get(), to be changed: it will be written at the next save().
  [[nodiscard]] Result<T*> change(std::string_view key) {
    auto record = get(key);
    if (record) mark_dirty(key);
    return record;
  }

  // Visits the records whose key begins with `prefix`, in order of keys, until `visit(key, T&)` returns false.
  template <typename Visit>
  [[nodiscard]] Result<void> scan(std::string_view prefix, Visit&& visit) {
    // First bring what is only in the store into memory beside what is only in memory, then walk memory alone.
    Result<void> loaded;
    const auto whole = prefix_ + std::string(prefix);
    const auto scanned = store_->scan(whole, [&](std::string_view key, std::string_view bytes) {
      const auto own = key.substr(prefix_.size());
      if (find(own) != nullptr) return true;
      if (auto record = load(own, bytes, true); !record) loaded = tl::make_unexpected(record.error());
      return loaded.has_value();
    });
    if (!scanned) return scanned;
    if (!loaded) return loaded;
    for (auto at = entries_.lower_bound(prefix); at != entries_.end() && at->first.starts_with(prefix); ++at) {
      if (!at->second.exists) continue;
      at->second.used = generation_;
      if (!visit(at->first, at->second.value)) break;
    }
    return {};
  }

  void save(StoreBatch& batch) {
    for (const auto& key : dirty_) {
      auto& entry = entries_.find(key)->second;
      auto bytes = codec_.encode(entry.value);
      bytes_ += bytes.size() - entry.bytes;
      entry.bytes = bytes.size();
      entry.dirty = false;
      batch.put(prefix_ + key, std::move(bytes));
    }
    dirty_.clear();
    ++generation_;
    if (bytes_ > budget_bytes_) evict();
  }

 private:
  struct Entry {
    T value{};
    std::size_t bytes = 0;
    std::uint64_t used = 0;
    bool dirty = false;
    bool exists = false;  // in the store, or dirty
  };

  T* find(std::string_view key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    found->second.used = generation_;
    return &found->second.value;
  }

  Result<T*> load(std::string_view key, std::string_view bytes, bool exists) {
    Entry entry;
    if (exists) {
      auto decoded = codec_.decode(bytes);
      if (!decoded) {
        return fail(Reaction::stop, "The state in {} is damaged at key {}{}. Remove the folder: it is rebuilt from the log.",
                    store_->where(), prefix_, key);
      }
      entry.value = std::move(*decoded);
    }
    entry.bytes = bytes.size() + key.size();
    entry.used = generation_;
    entry.exists = exists;
    bytes_ += entry.bytes;
    return &entries_.emplace(std::string(key), std::move(entry)).first->second.value;
  }

  void mark_dirty(std::string_view key) {
    const auto found = entries_.find(key);
    if (found->second.dirty) return;
    found->second.dirty = found->second.exists = true;
    dirty_.push_back(found->first);
  }

  // Drops clean records, those first that were not used since the last commits.
  void evict() {
    for (std::uint64_t age = 16; age > 0 && bytes_ > budget_bytes_ / 2; age /= 2) {
      for (auto at = entries_.begin(); at != entries_.end() && bytes_ > budget_bytes_ / 2;) {
        if (!at->second.dirty && at->second.used + age <= generation_) {
          bytes_ -= at->second.bytes;
          at = entries_.erase(at);
        } else {
          ++at;
        }
      }
    }
  }

  std::string prefix_;
  Codec codec_;
  std::size_t budget_bytes_;
  const Store* store_ = nullptr;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<std::string> dirty_;
  std::size_t bytes_ = 0;
  std::uint64_t generation_ = 1;
};

// A codec for state that is a Protobuf message itself.
template <typename Message>
struct MessageCodec {
  Result<Message> decode(std::string_view bytes) const {
    Message message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return fail(Reaction::stop, "not a {}", message.GetTypeName());
    }
    return message;
  }
  std::string encode(const Message& message) const { return message.SerializeAsString(); }
};

inline tl::unexpected<Error> damaged(const Store& store) {
  return fail(Reaction::stop, "The state in {} is damaged. Remove the folder: it is rebuilt from the log.", store.where());
}

// All small records of a prefix, which an operator keeps in memory: `visit(key without the prefix, value)`; false: it cannot be ours.
template <typename Visit>
[[nodiscard]] Result<void> read_all(const Store& store, std::string_view prefix, Visit&& visit) {
  bool sound = true;
  FIVERATE_TRY(store.scan(prefix, [&](std::string_view key, std::string_view value) {
    key.remove_prefix(prefix.size());
    return sound = visit(key, value);
  }));
  if (!sound) return damaged(store);
  return {};
}

// As read_all, of Protobuf messages: `visit(key, message)`.
template <typename Message, typename Visit>
[[nodiscard]] Result<void> read_messages(const Store& store, std::string_view prefix, Visit&& visit) {
  return read_all(store, prefix, [&](std::string_view key, std::string_view value) {
    Message message;
    return message.ParseFromArray(value.data(), static_cast<int>(value.size())) && visit(key, message);
  });
}

}  // namespace fiverate
