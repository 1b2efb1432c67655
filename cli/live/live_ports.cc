#include "cli/live/live_ports.h"

#include "processors/stages/alert_manager.h"
#include "processors/stages/intake.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "processors/stages/reference.h"
#include "processors/stages/senders.h"
#include "processors/stages/task_names.h"

namespace fiverate {
namespace {

// Intake and reference run in one thread.
std::vector<Input> inputs_of_thread(Stage stage, const Definition& definition) {
  return stage == Stage::intake ? source_inputs(definition) : inputs_of(stage, definition);
}

}  // namespace

KafkaSettings LivePorts::kafka(std::int32_t fetch_kib) const {
  auto kafka = settings_.kafka;
  kafka.send_kib = memory_.send_kib;
  kafka.fetch_kib = fetch_kib;
  return kafka;
}

Result<std::unique_ptr<Sink>> LivePorts::open_sink() {
  TRY_VALUE(sink, KafkaSink::open(kafka(memory_.fetch_kib)));
  return std::unique_ptr<Sink>(std::move(sink));
}

Result<std::unique_ptr<Source>> LivePorts::open_source() {
  // Intake merges several logs into one order; behind it, partitions are independent.
  const bool is_intake = thread_.stage == Stage::intake;
  source_ = nullptr;
  TRY_VALUE(source, KafkaSource::open(kafka(is_intake ? memory_.queue_kib : memory_.fetch_kib),
                                      group_of(settings_.kafka, thread_.stage),
                                      inputs_of_thread(thread_.stage, settings_.definition), thread_.member,
                                      is_intake ? ReadOrder::by_arrival : ReadOrder::as_fetched));
  source_ = source.get();
  return std::unique_ptr<Source>(std::move(source));
}

Result<std::unique_ptr<Source>> LivePorts::open_reader(const std::map<Input, std::int64_t>& from) {
  ReaderOptions options;
  for (const auto& [input, offset] : from) options.inputs.push_back(input);
  options.from = from;
  TRY_VALUE(reader, KafkaReader::open(kafka(memory_.fetch_kib), std::move(options)));
  return std::unique_ptr<Source>(std::move(reader));
}

Result<std::unique_ptr<CheckpointReader>> LivePorts::open_checkpoints() {
  TRY_VALUE(reader, KafkaCheckpointReader::open(kafka(kCheckpointsKib)));
  return std::unique_ptr<CheckpointReader>(std::move(reader));
}

Result<std::unique_ptr<Store>> LivePorts::open_store(const Input& input, const std::optional<Checkpoint>& checkpoint) {
  return states_.open(task_argument_of(input), checkpoint, [this] {
    thread_.on_work();
    return !thread_.is_stopping();
  });
}

Result<std::vector<std::optional<Quarantined>>> LivePorts::read_quarantine(
    const std::vector<QuarantinePosition>& positions) const {
  std::map<QuarantinePosition, std::optional<Quarantined>> found_at;
  std::map<Input, std::int64_t> from;
  std::map<Input, OffsetRange> ranges;
  std::size_t left = 0;
  for (const auto& position : positions) {
    if (!found_at.emplace(position, std::nullopt).second) continue;
    const Input input{Topic::quarantine, position.partition};
    if (position.partition >= settings_.definition.ledger_partitions()) continue;
    if (!ranges.contains(input)) {
      TRY_VALUE(range, source_->offset_range(input));
      ranges[input] = range.value_or(OffsetRange{});
    }
    if (position.offset < ranges[input].first || position.offset >= ranges[input].end) continue;
    ++left;
    const auto first = from.emplace(input, position.offset).first;
    first->second = std::min(first->second, position.offset);
  }
  ReaderOptions options;
  for (const auto& [input, offset] : from) options.inputs.push_back(input);
  options.from = from;
  options.until_end = true;
  TRY_VALUE(reader, KafkaReader::open(kafka(memory_.fetch_kib), std::move(options)));
  const Senders senders(settings_.definition);
  std::vector<InRecord> records;
  while (left > 0 && !reader->finished()) {
    records.clear();
    TRY(reader->poll(std::chrono::milliseconds(50), records));
    for (const auto& record : records) {
      const auto found = found_at.find({record.input.partition, record.offset});
      if (found == found_at.end()) continue;
      --left;
      const bool is_ours = record.cause && senders.writes_to(record.cause->sender, record.input);
      if (!found->second.emplace().ParseFromArray(record.value.data(), static_cast<int>(record.value.size())) ||
          !is_ours)
        found->second.reset();
    }
    thread_.on_work();
  }
  // In the order of the positions.
  std::vector<std::optional<Quarantined>> found;
  for (const auto& position : positions) found.push_back(found_at.at(position));
  return found;
}

std::unique_ptr<Operator> LivePorts::make_operator(const Input& input) {
  const auto& definition = settings_.definition;
  const auto cache = memory_.decoded_bytes;
  const IntakeSettings intake{definition, [this](const auto& positions) { return read_quarantine(positions); }};
  switch (stage_reading(input.topic)) {
    case Stage::intake:
      return std::make_unique<Intake>(intake);
    case Stage::reference:
      return std::make_unique<Reference>(intake, cache);
    case Stage::outlet:
      return std::make_unique<OutletStage>(OutletStage::Settings{definition, definition.market_partitions(), cache},
                                           calendar_);
    case Stage::market:
      return std::make_unique<MarketStage>(
          MarketStage::Settings{definition, input.partition, definition.market_partitions(), true, cache}, calendar_);
    case Stage::desk:
      return std::make_unique<AlertManager>(AlertManager::Settings{definition, input.partition, cache});
  }
  return nullptr;
}

}  // namespace fiverate
