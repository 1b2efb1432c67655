#include "tests/sim/sim_import.h"

#include <algorithm>
#include <deque>
#include <map>

#include "processors/stages/topology.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "tests/support/events.h"

namespace fiverate::test {
namespace {

constexpr std::int64_t kKillsMax = 4;

bool is_mark(const OutRecord& record) {
  Event event;
  return event.ParseFromString(record.value) && event.has_mark();
}

// Takes all records.
class CollectingProducer final : public Sink {
 public:
  explicit CollectingProducer(std::vector<OutRecord>& records) : records_(records) {}
  Result<void> send(OutRecord record) override {
    records_.push_back(std::move(record));
    return {};
  }
  Result<void> flush() override { return {}; }

 private:
  std::vector<OutRecord>& records_;
};

}  // namespace

History history_file(const std::vector<SourceRecord>& records) {
  std::string lines;
  for (const auto& record : records) {
    Event event;
    CHECK(event.ParseFromString(record.value));
    set_millis(*event.mutable_arrival_time(), record.arrival);
    lines += to_json(event) + "\n";
  }
  auto history = History::read({MappedFile::of_text("events.jsonl", std::move(lines))}, shanghai());
  CHECK(history.has_value(), history.error().what);
  return *std::move(history);
}

std::vector<SourceRecord> imported(const History& history) {
  std::vector<OutRecord> written;
  CollectingProducer producer(written);
  CHECK(import_history(history, shanghai(), producer, {{1, 1, 1}, {}}, {}).has_value());
  std::vector<SourceRecord> records;
  for (auto& record : written) {
    if (!is_mark(record)) {
      records.push_back({record.topic, std::move(record.key), record.timestamp, std::move(record.value)});
    }
  }
  return records;
}

// The source partitions as far as they are written.
class SimImport::Log final : public SourceRecords {
 public:
  explicit Log(const PartitionCounts& partitions)
      : inputs_(source_inputs(make_definition(shanghai().zone_name(), partitions))) {}

  void append(OutRecord record) {
    partitions_[{record.topic, record.partition}].push_back(records_.size());
    records_.push_back(std::move(record));
  }
  // A mark without the header of an import, behind the last record of a partition.
  void let_another_program_write(Chance& chance) {
    const auto input = chance.pick(inputs_);
    const auto& numbers = partitions_[input];
    if (numbers.empty()) return;
    const auto time = records_[numbers.back()].timestamp;
    append({input.topic, input.partition, time, "", mark(time).SerializeAsString(), std::nullopt, std::nullopt});
  }
  [[nodiscard]] const std::vector<Input>& inputs() const { return inputs_; }
  [[nodiscard]] std::vector<OutRecord>& records() { return records_; }

  Result<EndOffsets> read_last(const Inputs& inputs, std::int64_t count, const Visit& visit) override {
    return read(
        inputs, [&](const auto& numbers) { return std::max<std::ptrdiff_t>(0, std::ssize(numbers) - count); }, visit);
  }
  Result<EndOffsets> read_since(const Inputs& inputs, Millis time, const Visit& visit) override {
    return read(
        inputs,
        [&](const auto& numbers) {
          const auto is_since = [&](std::size_t number) { return records_[number].timestamp >= time; };
          return std::ranges::find_if(numbers, is_since) - numbers.begin();
        },
        visit);
  }

 private:
  template <typename First>
  EndOffsets read(const Inputs& inputs, First first, const Visit& visit) {
    EndOffsets ends;
    for (const auto& input : inputs) {
      const auto& numbers = partitions_[input];
      for (auto offset = first(numbers); offset < std::ssize(numbers); ++offset) {
        const auto& stored = records_[numbers[static_cast<std::size_t>(offset)]];
        InRecord record;
        record.input = input;
        record.offset = offset;
        record.timestamp = stored.timestamp;
        record.import = stored.import;
        visit(record);
      }
      ends[input] = std::ssize(numbers);
    }
    return ends;
  }

  std::vector<Input> inputs_;
  std::vector<OutRecord> records_;
  std::map<Input, std::vector<std::size_t>> partitions_;  // positions in records_
};

// An idempotent producer: records of a partition reach the log in order, those of different partitions in any order. What it has not sent
// when it is killed is lost.
class SimImport::Producer final : public Sink {
 public:
  Producer(Log& log, Chance& chance, std::optional<std::int64_t> killed_after)
      : log_(log), chance_(chance), left_(killed_after) {}

  Result<void> send(OutRecord record) override {
    if (left_ && (*left_)-- == 0) return killed();
    waiting_[{record.topic, record.partition}].push_back(std::move(record));
    while (!waiting_.empty() && chance_.percent(70)) deliver_one();
    return {};
  }
  Result<void> flush() override {
    while (!waiting_.empty()) deliver_one();
    return {};
  }

 private:
  void deliver_one() {
    auto partition = waiting_.begin();
    std::advance(partition, chance_.below(std::ssize(waiting_)));
    log_.append(std::move(partition->second.front()));
    partition->second.pop_front();
    if (partition->second.empty()) waiting_.erase(partition);
  }

  Log& log_;
  Chance& chance_;
  std::optional<std::int64_t> left_;
  std::map<Input, std::deque<OutRecord>> waiting_;
};

SimImport::SimImport(const History& history, const PartitionCounts& partitions, std::uint64_t seed,
                     ImportSabotage sabotage)
    : history_(history), partitions_(partitions), chance_(seed), sabotage_(sabotage) {}

ImportStart SimImport::where_to_start(Log& log) const {
  const auto id = import_id(history_, shanghai(), partitions_);
  const auto found = find_import(log, log.inputs(), {id, first_mark(history_, shanghai()), history_.begins()});
  CHECK(found.has_value(), found.error().what);
  CHECK(found->state == ImportState::absent || found->state == ImportState::begun, static_cast<int>(found->state));
  auto start = start_of_import(id, found->ends);
  switch (sabotage_) {
    case ImportSabotage::none:
      break;
    case ImportSabotage::starts_over:
      start.written.clear();
      break;
    case ImportSabotage::repeats_last:
      for (auto& [input, position] : start.written) --position.number;
      break;
    case ImportSabotage::skips_one:
      for (auto& [input, position] : start.written) ++position.number;
      break;
  }
  return start;
}

bool SimImport::write(Log& log, std::optional<std::int64_t> killed_after, bool open) {
  Producer producer(log, chance_, killed_after);
  const auto written = import_history(history_, shanghai(), producer, {partitions_, where_to_start(log), open}, {});
  CHECK(written.has_value() || killed_after.has_value(), written.error().what);
  return written.has_value();
}

std::vector<OutRecord> SimImport::run(Weather& weather) {
  Log log(partitions_);
  const auto kills = chance_.between(1, kKillsMax);
  for (std::int64_t i = 0; i < kills; ++i) {
    const auto killed_after = chance_.below(static_cast<std::int64_t>(history_.size()) + 20);
    if (!write(log, killed_after, chance_.percent(20))) weather.count(Fault::killed_import);
    if (chance_.percent(50)) log.let_another_program_write(chance_);
  }
  write(log, std::nullopt, false);
  return std::move(log.records());
}

}  // namespace fiverate::test
