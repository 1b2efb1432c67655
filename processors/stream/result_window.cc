#include "processors/stream/result_window.h"

namespace fiverate {
namespace {

constexpr std::size_t kOverheadBytes = 256;  // of a record in the window, about

}  // namespace

void ResultWindow::read(const InRecord& record) {
  if (!record.cause || record.cause->sender != sender_) return;
  std::string key(record.key);
  const auto known = newest_.find(key);
  if (known != newest_.end() && record.cause->position < known->second.record.cause->position) {
    overwritten_.insert(std::move(key));
    return;
  }
  overwritten_.erase(key);
  const auto bytes = 2 * key.size() + record.value.size() + kOverheadBytes;
  newest_.insert_or_assign(key, Newest{{record.input.topic, record.input.partition, record.timestamp, key,
                                        std::string(record.value), record.cause, std::nullopt},
                                       ++readings_count_});
  readings_.push_back({std::move(key), readings_count_, bytes});
  bytes_ += bytes;
  while (bytes_ > bytes_max_) forget_oldest();
}

void ResultWindow::forget_oldest() {
  const auto& oldest = readings_.front();
  if (const auto found = newest_.find(oldest.key); found->second.read_as == oldest.number) {
    overwritten_.erase(oldest.key);
    newest_.erase(found);
  }
  bytes_ -= oldest.bytes;
  readings_.pop_front();
}

std::vector<OutRecord> ResultWindow::take_overwritten() {
  std::vector<OutRecord> records;
  for (const auto& key : overwritten_) records.push_back(newest_.at(key).record);
  overwritten_.clear();
  return records;
}

}  // namespace fiverate
