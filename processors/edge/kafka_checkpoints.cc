#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "processors/edge/kafka_fetcher.h"
#include "processors/edge/kafka_offsets.h"

namespace fiverate {
namespace {

// Records behind a pointer: tasks commit together, so others of them are near.
constexpr std::int64_t kReadTogether = 256;
constexpr std::chrono::seconds kReadWithin{30};  // without a single record

}  // namespace

KafkaCheckpointReader::KafkaCheckpointReader(std::unique_ptr<KafkaFetcher> fetcher) : fetcher_(std::move(fetcher)) {}
KafkaCheckpointReader::~KafkaCheckpointReader() = default;

Result<std::unique_ptr<KafkaCheckpointReader>> KafkaCheckpointReader::open(const KafkaSettings& settings) {
  auto role = consumer_role(settings, settings.topic_prefix + "fiverate-checkpoints");
  role.defaults.emplace_back("fetch.wait.max.ms", "5");  // the records are there: no fetch has to wait for more
  TRY_VALUE(client, KafkaClient::open(settings, std::move(role)));
  return std::unique_ptr<KafkaCheckpointReader>(
      new KafkaCheckpointReader(std::make_unique<KafkaFetcher>(std::move(client))));
}

Result<void> KafkaCheckpointReader::read(std::int64_t from, std::int64_t end,
                                         const std::function<void(const InRecord&)>& visit) {
  TRY(fetcher_->assign({{kCheckpointsPartition, {from, end}}}));
  auto deadline = KafkaClient::Clock::now() + kReadWithin;
  while (!fetcher_->all_done()) {
    std::vector<InRecord> records;
    TRY(fetcher_->poll(std::chrono::milliseconds(50), records));
    std::ranges::for_each(records, visit);
    const auto now = KafkaClient::Clock::now();
    if (!records.empty()) deadline = now + kReadWithin;
    if (now > deadline) {
      const auto& client = fetcher_->client();
      return fail(Reaction::retry, "{} could not be read within {} s. Reported last: {}.",
                  client.name(kCheckpointsPartition), kReadWithin.count(), client.last_error());
    }
  }
  fetcher_->unassign();
  return {};
}

// Once for each record, although a pointer may lead to it again and again.
void KafkaCheckpointReader::warn_of(const InRecord& record) {
  if (record.offset < warned_until_) return;
  warned_until_ = record.offset + 1;
  spdlog::warn("kafka: {} offset {} has the key of a task, but fiverate did not write it. It is ignored",
               fetcher_->client().name(record.input), record.offset);
}

Result<std::map<std::string, Checkpoint>> KafkaCheckpointReader::find(
    const std::map<std::string, CheckpointPointer>& tasks) {
  TRY_VALUE(range, query_offset_range(fetcher_->client(), kCheckpointsPartition));
  const auto is_in_log = [&](std::int64_t offset) { return offset >= range.first && offset < range.end; };
  std::map<std::string, Checkpoint> found;
  const auto visit = [&](const InRecord& record) {
    const auto task = tasks.find(std::string(record.key));
    if (task == tasks.end()) return;
    if (is_in_log(task->second.offset) && record.offset < task->second.offset) return;
    const auto checkpoint = parse_checkpoint(record);
    if (!checkpoint) return warn_of(record);
    const auto known = found.find(task->first);
    if (known == found.end() || is_newer(*checkpoint, known->second)) found.insert_or_assign(task->first, *checkpoint);
  };
  std::set<std::int64_t> offsets;
  for (const auto& [task, pointer] : tasks) {
    if (is_in_log(pointer.offset)) offsets.insert(pointer.offset);
  }
  std::int64_t read_until = range.first;
  for (const auto offset : offsets) {
    if (offset < read_until) continue;
    read_until = std::min(range.end, offset + kReadTogether);
    TRY(read(offset, read_until, visit));
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
  if (from < range.end) TRY(read(from, range.end, visit));
  return found;
}

}  // namespace fiverate
