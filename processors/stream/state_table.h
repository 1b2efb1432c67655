// A typed part of a task's state: records of one key prefix, decoded on first use, written back at a commit, evicted from memory beyond
// a budget. Reads see changes that are not written yet.
//
//   struct Codec { Result<T> decode(std::string_view bytes); std::string encode(const T&); };
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "processors/stream/ports.h"

namespace fiverate {

inline tl::unexpected<Error> damaged(const Store& store) {
  return fail(Reaction::stop, "The state in {} is damaged. Remove the folder: it is rebuilt from the log.",
              store.location());
}

template <typename T, typename Codec>
class StateTable {
 public:
  // `budget_bytes` counts encoded sizes. Changed records stay in memory beyond the budget, until save() or encode_changes().
  StateTable(std::string prefix, Codec codec, std::size_t budget_bytes)
      : prefix_(std::move(prefix)), codec_(std::move(codec)), budget_bytes_(budget_bytes) {}

  void open(const Store& store) {
    store_ = &store;
    whole_ = false;
  }

  // The record of a key, empty (T{}) if there is none yet. The pointer holds until the next save() or encode_changes().
  [[nodiscard]] Result<T*> get(std::string_view key) {
    TRY_VALUE(found, entry_of(key));
    return &found->second.value;
  }

  // As get(), for a change: the next save() writes the record.
  [[nodiscard]] Result<T*> change(std::string_view key) {
    TRY_VALUE(found, entry_of(key));
    auto& entry = found->second;
    if (!entry.dirty) dirty_.push_back(found);
    entry.dirty = entry.exists = true;
    return &entry.value;
  }

  // Visits the records whose key begins with `prefix`, in order of keys, until `visit(key, T&)` returns false.
  template <typename Visit>
  [[nodiscard]] Result<void> scan(std::string_view prefix, Visit&& visit) {
    if (!whole_) TRY(load_all(prefix));
    for (auto at = entries_.lower_bound(prefix); at != entries_.end() && at->first.starts_with(prefix); ++at) {
      if (!at->second.exists) continue;
      at->second.used = generation_;
      if (!visit(at->first, at->second.value)) break;
    }
    return {};
  }

  void save(StoreBatch& batch) {
    encode_dirty();
    for (auto& [key, bytes] : unsaved_) batch.put(prefix_ + key, std::move(bytes));
    unsaved_.clear();
  }

  // For a table with many large records that change between two saves: if memory is beyond the budget, encodes the changes once there
  // are `changed_max`, and evicts records. Invalidates pointers.
  void encode_changes(std::size_t changed_max = 256) {
    if (bytes_ > budget_bytes_ && dirty_.size() >= changed_max) encode_dirty();
  }

 private:
  struct Entry {
    T value{};
    std::size_t bytes = 0;
    std::uint64_t used = 0;
    bool dirty = false;
    bool exists = false;  // in the store, or dirty
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  void encode_dirty() {
    for (const auto changed : dirty_) {
      auto& [key, entry] = *changed;
      entry.dirty = false;
      if (!store_->is_opened_again()) continue;  // and nothing is evicted
      auto bytes = codec_.encode(entry.value);
      bytes_ += bytes.size() - entry.bytes;
      entry.bytes = bytes.size();
      unsaved_.insert_or_assign(key, std::move(bytes));
    }
    dirty_.clear();
    ++generation_;
    if (bytes_ > budget_bytes_ && store_->is_opened_again()) evict();
  }

  // Loads the records that are only in the store, or encoded for the next save.
  Result<void> load_all(std::string_view prefix) {
    for (auto at = unsaved_.lower_bound(prefix); at != unsaved_.end() && at->first.starts_with(prefix); ++at) {
      if (find(at->first) == entries_.end()) TRY(load(at->first, at->second));
    }
    Result<void> loaded;
    TRY(store_->scan(prefix_ + std::string(prefix), [&](std::string_view key, std::string_view bytes) {
      key.remove_prefix(prefix_.size());
      if (find(key) != entries_.end()) return true;
      if (auto record = load(key, bytes); !record) loaded = tl::make_unexpected(record.error());
      return loaded.has_value();
    }));
    whole_ = loaded.has_value() && prefix.empty();
    return loaded;
  }

  typename Entries::iterator find(std::string_view key) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) found->second.used = generation_;
    return found;
  }

  Result<typename Entries::iterator> entry_of(std::string_view key) {
    if (const auto cached = find(key); cached != entries_.end()) return cached;
    if (const auto unsaved = unsaved_.find(key); unsaved != unsaved_.end()) return load(key, unsaved->second);
    if (whole_) return load(key, std::nullopt);
    TRY_VALUE(bytes, store_->get(prefix_ + std::string(key)));
    return load(key, bytes);
  }

  // Nothing: there is no record of this key yet.
  Result<typename Entries::iterator> load(std::string_view key, std::optional<std::string_view> bytes) {
    Entry entry;
    if (bytes) {
      auto decoded = codec_.decode(*bytes);
      if (!decoded) return damaged(*store_);
      entry.value = std::move(*decoded);
    }
    entry.bytes = bytes.value_or("").size() + key.size();
    entry.used = generation_;
    entry.exists = bytes.has_value();
    bytes_ += entry.bytes;
    return entries_.emplace(std::string(key), std::move(entry)).first;
  }

  // Evicts unchanged records, the least recently used first.
  void evict() {
    for (std::uint64_t age = 16; age > 0 && bytes_ > budget_bytes_ / 2; age /= 2) {
      for (auto at = entries_.begin(); at != entries_.end() && bytes_ > budget_bytes_ / 2;) {
        if (!at->second.dirty && at->second.used + age <= generation_) {
          bytes_ -= at->second.bytes;
          at = entries_.erase(at);
          whole_ = false;
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
  Entries entries_;
  std::vector<typename Entries::iterator> dirty_;
  std::map<std::string, std::string, std::less<>> unsaved_;  // encoded, for the next save
  std::size_t bytes_ = 0;
  std::uint64_t generation_ = 1;
  bool whole_ = false;  // memory holds all records of the store
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

// All small records of a prefix, which an operator keeps in memory: `visit(key without the prefix, value)`; false: the record is damaged.
template <typename Visit>
[[nodiscard]] Result<void> read_all(const Store& store, std::string_view prefix, Visit&& visit) {
  bool valid = true;
  TRY(store.scan(prefix, [&](std::string_view key, std::string_view value) {
    key.remove_prefix(prefix.size());
    return valid = visit(key, value);
  }));
  if (!valid) return damaged(store);
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
