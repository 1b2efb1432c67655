#include "readers/audit/memory_log.h"

#include "schemas/check.h"

namespace fiverate {
namespace {

std::size_t bytes_of(const OutRecord& record) {
  return record.key.size() + record.value.size() + 128;
}

}  // namespace

void MemoryLog::append(OutRecord record) {
  const Input input{record.topic, record.partition};
  std::unique_lock lock(mutex_);
  auto& partition = partitions_[input];
  moved_.wait(lock, [&] {
    return closed_ || options_.waiting_bytes_max == 0 || partition.bytes <= options_.waiting_bytes_max;
  });
  if (closed_) return;
  CHECK(!partition.closed, fiverate::name_of(input.topic));
  partition.bytes += bytes_of(record);
  partition.records.push_back(std::make_shared<const OutRecord>(std::move(record)));
  moved_.notify_all();
}

void MemoryLog::close(const Input& input) {
  const std::lock_guard lock(mutex_);
  partitions_[input].closed = true;
  moved_.notify_all();
}

void MemoryLog::close_all() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  moved_.notify_all();
}

void MemoryLog::read(const Input& input, std::int64_t offset, std::size_t max, std::chrono::milliseconds wait,
                     std::vector<InRecord>& records) {
  std::unique_lock lock(mutex_);
  auto& partition = partitions_[input];
  const auto end = [&] { return partition.base + static_cast<std::int64_t>(partition.records.size()); };
  moved_.wait_for(lock, wait, [&] { return closed_ || partition.closed || end() > offset; });
  CHECK(offset >= partition.base, fiverate::name_of(input.topic), offset, partition.base);
  for (; offset < end() && max > 0; ++offset, --max) {
    const auto& stored = partition.records[static_cast<std::size_t>(offset - partition.base)];
    InRecord record;
    record.input = input;
    record.offset = offset;
    record.timestamp = stored->timestamp;
    record.key = stored->key;
    record.value = stored->value;
    record.cause = stored->cause;
    record.link = stored->link;
    record.depends_on = stored->depends_on;
    record.import = stored->import;
    record.owner = stored;
    records.push_back(std::move(record));
  }
  if (!options_.drop_read) return;
  while (partition.base < offset) {
    partition.bytes -= bytes_of(*partition.records.front());
    partition.records.pop_front();
    ++partition.base;
  }
  moved_.notify_all();
}

std::int64_t MemoryLog::end_offset(const Input& input) {
  const std::lock_guard lock(mutex_);
  const auto& partition = partitions_[input];
  return partition.base + static_cast<std::int64_t>(partition.records.size());
}

bool MemoryLog::ended(const Input& input, std::int64_t offset) {
  const std::lock_guard lock(mutex_);
  const auto& partition = partitions_[input];
  return closed_ ||
         (partition.closed && partition.base + static_cast<std::int64_t>(partition.records.size()) <= offset);
}

OffsetRange MemoryLog::offset_range(const Input& input) {
  const std::lock_guard lock(mutex_);
  const auto& partition = partitions_[input];
  return {partition.base, partition.base + static_cast<std::int64_t>(partition.records.size())};
}

MemorySource::MemorySource(MemoryLog& log, std::vector<Input> inputs, GroupOffsets& group, std::size_t batch_max)
    : log_(log), inputs_(std::move(inputs)), group_(group), batch_max_(batch_max) {}

Result<void> MemorySource::poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) {
  std::vector<Input> waiting;
  for (const auto& input : inputs_) {
    if (!next_.contains(input)) waiting.push_back(input);
  }
  if (!waiting.empty() || !assigned_) {
    TRY_VALUE(begin, listener_.on_assigned(waiting));
    next_.merge(begin);
    assigned_ = true;
  }
  for (const auto& input : inputs_) {
    if (!next_.contains(input)) continue;
    const auto before = records.size();
    // Only wait when there is a single input: with several, the loop of the worker comes back soon enough.
    log_.read(input, next_[input], batch_max_, inputs_.size() == 1 ? wait : std::chrono::milliseconds{0}, records);
    if (records.size() > before) next_[input] = records.back().offset + 1;
  }
  return {};
}

bool MemorySource::finished() const {
  if (next_.size() < inputs_.size() || !assigned_) return false;
  for (const auto& [input, next] : next_) {
    if (!log_.ended(input, next)) return false;
  }
  return true;
}

Result<std::map<Input, Committed>> MemorySource::committed(const std::vector<Input>& inputs,
                                                           std::chrono::milliseconds /*within*/) {
  std::map<Input, Committed> found;
  for (const auto& input : inputs) {
    if (const auto position = group_.find(input); position != group_.end()) found.insert(*position);
  }
  return found;
}

Result<void> MemorySource::commit(const std::map<Input, Committed>& positions) {
  for (const auto& [input, position] : positions) group_[input] = position;
  return {};
}

}  // namespace fiverate
