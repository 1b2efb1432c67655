#include <algorithm>
#include <functional>

#include "processors/edge/kafka_fetcher.h"

namespace fiverate {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kReadTogether =
    256;  // records behind a pointer: tasks commit together, so others of them are near
constexpr std::chrono::seconds kReadWithin{30};  // without a single record

}  // namespace

struct KafkaCheckpointReader::Parts {
  Parts(const KafkaSettings& kafka, std::shared_ptr<KafkaClient> client)
      : settings(kafka), fetcher(kafka, std::move(client)) {}

  KafkaSettings settings;
  KafkaFetcher fetcher;

  // What the topic holds from one offset up to another.
  Result<void> read(std::int64_t from, std::int64_t end, const std::function<void(const InRecord&)>& visit) {
    auto deadline = std::chrono::steady_clock::now() + kReadWithin;
    KafkaFetcher::Position position;
    position.next = from;
    position.end = end;
    position.done = from >= end;
    TRY(fetcher.assign({{kCheckpointsPartition, position}}));
    while (!fetcher.all_done()) {
      std::vector<InRecord> records;
      TRY(fetcher.poll(milliseconds(50), records));
      for (const auto& record : records) visit(record);
      if (!records.empty()) deadline = std::chrono::steady_clock::now() + kReadWithin;
      if (std::chrono::steady_clock::now() > deadline) {
        return fail(Reaction::retry, "{} could not be read within {} s. Reported last: {}.",
                    named(settings, kCheckpointsPartition), kReadWithin.count(), fetcher.client().last_error());
      }
    }
    fetcher.unassign();
    return {};
  }
};

KafkaCheckpointReader::KafkaCheckpointReader(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
KafkaCheckpointReader::~KafkaCheckpointReader() = default;

Result<std::unique_ptr<KafkaCheckpointReader>> KafkaCheckpointReader::open(const KafkaSettings& settings) {
  auto role = consumer_role(settings.topic_prefix + "fiverate-checkpoints", settings.fetch_kib);
  role.defaults.emplace_back("fetch.wait.max.ms", "5");  // the records are there: no fetch has to wait for more
  TRY_VALUE(client, KafkaClient::open(settings, std::move(role)));
  return std::unique_ptr<KafkaCheckpointReader>(
      new KafkaCheckpointReader(std::make_unique<Parts>(settings, std::move(client))));
}

Result<std::map<std::string, Checkpoint>> KafkaCheckpointReader::find(
    const std::map<std::string, CheckpointPointer>& tasks) {
  auto& parts = *parts_;
  TRY_VALUE(range, query_offset_range(parts.fetcher.client(), parts.settings, kCheckpointsPartition));
  const auto is_in_log = [&](std::int64_t offset) { return offset >= range.first && offset < range.end; };
  std::map<std::string, Checkpoint> found;
  const auto visit = [&](const InRecord& record) {
    const auto task = tasks.find(std::string(record.key));
    if (task == tasks.end()) return;
    if (is_in_log(task->second.offset) && record.offset < task->second.offset) return;
    const auto checkpoint = parse_checkpoint(record);
    if (!checkpoint) return;
    const auto known = found.find(task->first);
    if (known == found.end() || is_newer(*checkpoint, known->second)) found.insert_or_assign(task->first, *checkpoint);
  };
  std::vector<std::int64_t> offsets;
  for (const auto& [task, pointer] : tasks) {
    if (is_in_log(pointer.offset)) offsets.push_back(pointer.offset);
  }
  std::ranges::sort(offsets);
  std::int64_t read_until = range.first;
  for (const auto offset : offsets) {
    if (offset < read_until) continue;
    read_until = std::min(range.end, offset + kReadTogether);
    TRY(parts.read(offset, read_until, visit));
  }
  // Compacted away, or without a pointer: searched up to the end.
  auto from = range.end;
  for (const auto& [task, pointer] : tasks) {
    if (!is_in_log(pointer.offset)) {
      from = range.first;
    } else if (!found.contains(task)) {
      from = std::min(from, pointer.offset);
    }
  }
  if (from < range.end) TRY(parts.read(from, range.end, visit));
  return found;
}

}  // namespace fiverate
