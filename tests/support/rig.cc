#include "tests/support/rig.h"

#include <algorithm>

#include "processors/stages/alert_manager.h"
#include "processors/stages/intake.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "processors/stages/reference.h"
#include "processors/stages/task_names.h"
#include "processors/stream/commit.h"
#include "processors/stream/memory_store.h"
#include "processors/trade/facts/acceptance.h"
#include "readers/query/row_json.h"
#include "schemas/check.h"
#include "schemas/format.h"

namespace fiverate::test {
namespace {

constexpr std::size_t kCacheBytes = 4096;  // small, so that states are evicted and read again
constexpr std::size_t kAll = 1'000'000;

}  // namespace

std::unique_ptr<Operator> make_operator(const Input& input, const Definition& definition, bool live_rows) {
  switch (stage_reading(input.topic)) {
    case Stage::intake:
      return std::make_unique<Intake>(IntakeSettings{definition});
    case Stage::reference:
      return std::make_unique<Reference>(IntakeSettings{definition}, kCacheBytes);
    case Stage::outlet:
      return std::make_unique<OutletStage>(
          OutletStage::Settings{definition, definition.market_partitions(), kCacheBytes}, shanghai());
    case Stage::market:
      return std::make_unique<MarketStage>(
          MarketStage::Settings{definition, input.partition, definition.market_partitions(), live_rows, kCacheBytes},
          shanghai());
    case Stage::desk:
      return std::make_unique<AlertManager>(AlertManager::Settings{definition, input.partition, kCacheBytes});
  }
  CHECK(false);
}

std::optional<Checkpoint> last_checkpoint(MemoryLog& log, const std::string& task) {
  std::vector<InRecord> records;
  log.read(kCheckpointsPartition, 0, kAll, std::chrono::milliseconds{0}, records);
  std::optional<Checkpoint> last;
  for (const auto& record : records) {
    const auto checkpoint = parse_checkpoint(record);
    if (checkpoint && checkpoint->task() == task) last = checkpoint;
  }
  return last;
}

// ---- actor ----------------------------------------------------------------------------------------------------------

Actor::Actor(Durable& durable, const Definition& definition, Input input, std::shared_ptr<MemoryStore::Content> state,
             bool live_rows)
    : durable_(durable), input_(input), state_(std::move(state)), sink_(durable.log) {
  started_ = start(definition, live_rows);
}

Actor::~Actor() = default;

Result<void> Actor::start(const Definition& definition, bool live_rows) {
  if (stage_reading(input_.topic) == Stage::intake) {
    context_.store = std::make_unique<CheckpointStore>(last_checkpoint(durable_.log, task_name_of(input_)));
  } else {
    context_.store = std::make_unique<MemoryStore>(state_);
  }
  context_.op = make_operator(input_, definition, live_rows);
  context_.task = std::make_unique<Task>(std::string(sender_of(input_)), input_, definition_id(definition),
                                         *context_.op, *context_.store, sink_);
  TRY(context_.task->restore());
  next_ = std::max<std::int64_t>(0, context_.task->next_offset() - 1);
  acknowledged_ = context_.op->clock();
  return {};
}

Result<std::size_t> Actor::work(std::size_t records_max) {
  if (!started_) return tl::make_unexpected(started_.error());
  std::vector<InRecord> records;
  durable_.log.read(input_, next_, records_max, std::chrono::milliseconds{0}, records);
  for (const auto& record : records) {
    TRY(context_.task->process(record));
    next_ = record.offset + 1;
  }
  return records.size();
}

Result<bool> Actor::commit() {
  if (!started_) return tl::make_unexpected(started_.error());
  if (!context_.task->at_boundary()) return false;
  MemorySource group(durable_.log, {}, durable_.group);
  TRY(fiverate::commit({&context_}, sink_, group));
  acknowledged_ = context_.op->clock();
  return true;
}

// ---- rig ------------------------------------------------------------------------------------------------------------

Rig::Rig(const PartitionCounts& counts, bool live_rows, const Selection& selection)
    : definition_(make_definition("Asia/Shanghai", counts, {}, selection)), counts_(counts), live_rows_(live_rows) {
  for (const auto topic : kInternalTopics) {
    for (std::int32_t partition = 0; partition < counts_.of(topic); ++partition) {
      durable_.log.append({topic, partition, 0, "", definition_record(topic, definition_), std::nullopt, std::nullopt});
    }
  }
  progress_ = std::make_unique<ProgressTracker>(definition_);
}

void Rig::arrives(const Event& event, Millis arrival) {
  const auto topic = home_of(event.payload_case());
  CHECK(topic.has_value());
  const auto key = is_document(event.payload_case()) ? outlet_id_of(event) : std::string();
  arrives(*topic, partition_of(key, counts_.of(*topic)), arrival, key, event.SerializeAsString());
}

void Rig::arrives(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) {
  durable_.log.append({topic, partition, timestamp, std::move(key), std::move(value), std::nullopt, std::nullopt});
}

void Rig::marks(Millis complete_through) {
  const auto value = mark(complete_through).SerializeAsString();
  for (const auto& input : source_inputs(definition_))
    arrives(input.topic, input.partition, complete_through, "", value);
}

void Rig::report_hold(const Input& input, std::int64_t decided_until, std::optional<std::int64_t> held) {
  progress_->report_hold(input, decided_until, held);
}

std::vector<Input> Rig::inputs() const {
  auto inputs = source_inputs(definition_);
  for (const auto topic : {Topic::ledger, Topic::deltas}) {
    for (std::int32_t partition = 0; partition < counts_.of(topic); ++partition) inputs.push_back({topic, partition});
  }
  return inputs;
}

std::unique_ptr<Actor> Rig::make_actor(Input input, std::shared_ptr<MemoryStore::Content> state) {
  return std::make_unique<Actor>(durable_, definition_, input, std::move(state), live_rows_);
}

void Rig::run() {
  // Reference goes first, so that what a document refers to is known before it.
  std::vector<Input> order = inputs();
  std::stable_partition(order.begin(), order.end(), [](const Input& input) { return input.topic == Topic::reference; });
  for (const auto& input : order) {
    auto& actor = actors_[input];
    if (!actor) actor = make_actor(input, std::make_shared<MemoryStore::Content>());
  }
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto& input : order) {
      if (input == Input{Topic::ledger, 0} && progress_->changed()) {
        for (auto& record : progress_->records()) durable_.log.append(std::move(record));
      }
      auto& actor = *actors_.at(input);
      const auto worked = actor.work(kAll);
      CHECK(worked.has_value(), actor.task().name(), worked.error().what);
      if (*worked == 0) continue;
      moved = true;
      const auto committed = actor.commit();
      CHECK(committed.has_value(), actor.task().name(), committed.error().what);
      progress_->acknowledge(input, actor.acknowledged(), actor.task().acknowledged());
    }
  }
}

std::vector<InRecord> Rig::records(Topic topic) {
  std::vector<InRecord> records;
  for (std::int32_t partition = 0; partition < counts_.of(topic); ++partition) {
    durable_.log.read({topic, partition}, 0, kAll, std::chrono::milliseconds{0}, records);
  }
  return records;
}

std::map<std::string, std::string> Rig::final_rows(std::string* repeated_differently) {
  std::map<std::string, std::string> rows;
  for (const auto& record : records(Topic::metrics_final)) {
    const auto [row, added] = rows.try_emplace(std::string(record.key), record.value);
    if (!added && row->second != record.value && repeated_differently != nullptr) *repeated_differently = record.key;
  }
  return rows;
}

std::vector<std::string> Rig::final_lines() {
  return json_lines(final_rows());
}

std::vector<Transition> Rig::transitions(std::string* repeated_differently) {
  std::map<std::string, std::string> by_cause;
  std::vector<Transition> transitions;
  for (const auto& record : records(Topic::signals)) {
    SignalRecord signal;
    CHECK(signal.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())));
    if (!signal.has_transition()) continue;
    CHECK(record.cause.has_value());
    const auto cause = to_text(*record.cause);
    const auto [known, added] = by_cause.try_emplace(cause, record.value);
    if (added) {
      transitions.push_back(signal.transition());
    } else if (known->second != record.value && repeated_differently != nullptr) {
      *repeated_differently = cause;
    }
  }
  return transitions;
}

std::vector<std::string> confirmed_stockouts(const std::vector<Transition>& transitions) {
  std::map<std::pair<std::string, std::int32_t>, const Transition*> latest;
  for (const auto& transition : transitions) {
    if (transition.rule() != "R1") continue;
    auto& last = latest[{transition.alert_id(), transition.episode()}];
    if (last == nullptr || last->transition() < transition.transition()) last = &transition;
  }
  std::vector<std::string> stockouts;
  for (const auto& [episode, last] : latest) {
    if (last->state() == Transition::RETRACTED) continue;
    const auto end = last->state() == Transition::FIRING ? "never" : shanghai().format(last->at_ms());
    stockouts.push_back(fmt::format("{} {} {}", last->outlet_id(), last->sku_id(), end));
  }
  std::sort(stockouts.begin(), stockouts.end());
  return stockouts;
}

std::vector<std::pair<std::string, std::string>> Rig::quarantined() {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& record : records(Topic::quarantine)) {
    Quarantined quarantined;
    CHECK(quarantined.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())));
    found.emplace_back(quarantined.event_id(), quarantined.reason());
  }
  return found;
}

std::vector<std::string> json_lines(const std::map<std::string, std::string>& rows) {
  std::vector<std::string> lines;
  for (const auto& [key, bytes] : rows) {
    MetricsRow row;
    CHECK(row.ParseFromString(bytes), key);
    fmt::memory_buffer text;
    append_json_lines(row, text);
    for (std::string_view rest(text.data(), text.size()); !rest.empty();) {
      const auto end = rest.find('\n');
      lines.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end + 1);
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string first_differences(const std::vector<std::string>& expected, const std::vector<std::string>& actual) {
  constexpr std::size_t kShown = 3;
  constexpr std::size_t kWidth = 400;
  std::vector<std::string> missing;
  std::vector<std::string> surplus;
  std::set_difference(expected.begin(), expected.end(), actual.begin(), actual.end(), std::back_inserter(missing));
  std::set_difference(actual.begin(), actual.end(), expected.begin(), expected.end(), std::back_inserter(surplus));
  std::string text;
  const auto show = [&](const std::vector<std::string>& only, const char* title) {
    if (only.empty()) return;
    text += fmt::format("{} lines {}:\n", only.size(), title);
    for (std::size_t i = 0; i < std::min(kShown, only.size()); ++i) text += "  " + only[i].substr(0, kWidth) + "\n";
  };
  show(missing, "only expected");
  show(surplus, "only here");
  // Long lines of one key mostly differ behind what is shown.
  for (std::size_t i = 0; i < std::min({kShown, missing.size(), surplus.size()}); ++i) {
    const auto at = static_cast<std::size_t>(std::ranges::mismatch(missing[i], surplus[i]).in1 - missing[i].begin());
    const auto from = at < 40 ? 0 : at - 40;
    text += fmt::format("  line {} differs: ...{} instead of ...{}\n", i + 1, surplus[i].substr(from, 120),
                        missing[i].substr(from, 120));
  }
  return text;
}

}  // namespace fiverate::test
