#include "cli/live/stage_thread.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "cli/live/intake_heartbeat.h"
#include "cli/live/memory.h"
#include "processors/edge/kafka_log.h"
#include "processors/stages/alert_manager.h"
#include "processors/stages/intake.h"
#include "processors/stages/market.h"
#include "processors/stages/outlet.h"
#include "processors/stages/reference.h"
#include "processors/stream/failpoint.h"
#include "processors/stream/group_store.h"
#include "processors/stream/standby.h"
#include "processors/stream/worker.h"

namespace fiverate {
namespace {

using StageClock = std::chrono::steady_clock;
constexpr std::chrono::seconds kRestartAfter{1};
constexpr std::chrono::seconds kGapIsReportedAfter{60};
constexpr std::chrono::milliseconds kPollWait{50};

// Says when a task has waited for a record that it has not got: its sender was cut off and should send again.
class WarnOfGaps {
 public:
  void operator()(const std::map<Input, Seat>& seats) {
    for (const auto& [input, seat] : seats) {
      auto& known = known_[input];
      const auto gaps = seat.task->counters().gaps;
      const auto orders = seat.task->lacks();
      if (orders.empty()) known = {gaps, std::nullopt};
      if (gaps == known.reported) continue;
      const auto now = StageClock::now();
      if (!known.since) known.since = now;
      if (now - *known.since < kGapIsReportedAfter) continue;
      spdlog::warn(
          "{}: {} records wait for others before them that have not come. If their senders do not send them again by themselves (after a "
          "restart, say), start the process that has these tasks with: run --speak-from {}",
          seat.task->name(), gaps - known.reported, orders);
      known = {gaps, std::nullopt};
    }
  }

 private:
  struct Known {
    std::int64_t reported = 0;
    std::optional<StageClock::time_point> since;
  };
  std::map<Input, Known> known_;
};

// Of a thread: intake and reference run in one.
std::vector<Topic> topics_of(Stage stage, const Definition& definition) {
  auto inputs = inputs_of(stage, definition);
  if (stage == Stage::intake) std::ranges::copy(inputs_of(Stage::reference, definition), std::back_inserter(inputs));
  std::set<Topic> topics;
  for (const auto& input : inputs) topics.insert(input.topic);
  return {topics.begin(), topics.end()};
}

}  // namespace

Result<void> StageThread::run() {
  while (!stop_.stop_requested()) {
    const auto ended = attempt();
    if (ended) break;
    if (ended.error().reaction == Reaction::stop) return ended;
    spdlog::warn("{}: {} Starting again from the state.", name_of(stage_), ended.error().what);
    shared_.health.begins_anew(name_, ended.error().what);
    const auto until = StageClock::now() + kRestartAfter;
    while (StageClock::now() < until && !stop_.stop_requested()) std::this_thread::sleep_for(kPollWait);
  }
  return {};
}

Result<void> StageThread::attempt() {
  const auto& settings = shared_.settings;
  const auto memory = shares_of(settings);
  auto kafka = settings.kafka;
  kafka.send_kib = memory.send_kib;
  kafka.fetch_kib = kTailKib;
  auto sink = KafkaSink::open(kafka);
  if (!sink) return tl::make_unexpected(sink.error());
  // Intake makes one order out of several logs; behind it, partitions have nothing to do with each other.
  const auto order = stage_ == Stage::intake ? ReadOrder::by_arrival : ReadOrder::as_fetched;
  kafka.fetch_kib = order == ReadOrder::by_arrival ? memory.lane_kib : memory.fetch_kib;
  auto source = KafkaSource::open(kafka, group_of(settings.kafka, stage_, settings.twin),
                                  topics_of(stage_, settings.definition), member_, order);
  if (!source) return tl::make_unexpected(source.error());
  const auto make = [&](const Input& input) { return make_seat(input, **source, **sink); };

  std::optional<Standby> standby;
  if (settings.standby > 0) {
    kafka.fetch_kib = memory.fetch_kib;
    const auto open_reader = [&](const std::map<Input, std::int64_t>& from) -> Result<std::unique_ptr<Source>> {
      ReaderOptions options;
      for (const auto& [input, offset] : from) options.inputs.push_back(input);
      options.from = from;
      auto reader = KafkaReader::open(kafka, std::move(options));
      if (!reader) return tl::make_unexpected(reader.error());
      return std::unique_ptr<Source>(std::move(*reader));
    };
    // The state of intake is its group's offsets: nothing to keep a copy of.
    const auto stage = stage_ == Stage::intake ? Stage::reference : stage_;
    standby.emplace(open_reader, make, inputs_of(stage, settings.definition), settings.standby,
                    std::chrono::milliseconds{settings.config.run.commit_every_ms});
  }

  WarnOfGaps warn_of_gaps;
  std::optional<IntakeHeartbeat> intake_heartbeat;
  if (stage_ == Stage::intake) intake_heartbeat.emplace(settings.definition, settings.config.intake.clock, **sink);
  const auto heartbeat = [&](const std::map<Input, Seat>& seats) -> Result<void> {
    shared_.health.round(name_, (*source)->assigned(), seats, (*source)->lag(), standby ? &*standby : nullptr);
    warn_of_gaps(seats);
    for (const auto& [input, seat] : seats) {
      const bool said = seat.speak_from && seat.task->next_offset() >= seat.spoken_until && !seat.task->changed();
      if (said) shared_.states.carried_out(task_folder(input));
    }
    return intake_heartbeat ? (*intake_heartbeat)(seats) : Result<void>{};
  };
  Worker worker(**source, make, {kPollWait, std::chrono::milliseconds{settings.config.run.commit_every_ms}}, heartbeat,
                standby ? &*standby : nullptr);
  FIVERATE_TRY(worker.run(stop_));
  if (settings.config.run.on_stop == OnStop::leave) (*source)->leave();
  return {};
}

Result<Seat> StageThread::make_seat(const Input& input, Source& source, Sink& sink) const {
  failpoint("seat.assigned");
  shared_.health.at_work(name_);
  const auto& definition = shared_.settings.definition;
  const auto stage = stage_reading(input.topic);
  Seat seat;
  if (stage == Stage::intake) {
    seat.speak_from = shared_.states.order_of(task_folder(input));
    auto committed = source.committed(input);
    if (!committed) return tl::make_unexpected(committed.error());
    seat.store = std::make_unique<GroupStore>(*committed, seat.speak_from);
  } else {
    auto opened = shared_.states.open(task_folder(input), [this] {
      shared_.health.at_work(name_);
      return !stop_.stop_requested();
    });
    if (!opened) return tl::make_unexpected(opened.error());
    seat.store = std::move(opened->store);
    seat.rebuilt = opened->rebuilt;
    seat.speak_from = opened->speak_from;
  }
  seat.op = make_operator(stage, input);
  seat.task = std::make_unique<Task>(std::string(stage == Stage::intake ? name_of(input.topic) : name_of(stage)), input,
                                     definition_id(definition), *seat.op, *seat.store, sink);
  seat.result_topics = result_topics_of(stage);
  seat.targets = shared_targets_of(stage, input.partition, definition);
  return seat;
}

std::unique_ptr<Operator> StageThread::make_operator(Stage stage, const Input& input) const {
  const auto& settings = shared_.settings;
  const auto& definition = settings.definition;
  const auto cache = shares_of(settings).decoded_bytes;
  const IntakeSettings intake{definition, settings.config.intake.clock == IntakeClock::wall};
  switch (stage) {
    case Stage::intake: return std::make_unique<Intake>(intake);
    case Stage::reference: return std::make_unique<Reference>(intake, cache);
    case Stage::outlet:
      return std::make_unique<OutletStage>(OutletStage::Settings{definition, definition.market_partitions(), cache},
                                           shared_.calendar);
    case Stage::market:
      return std::make_unique<MarketStage>(
          MarketStage::Settings{definition, input.partition, definition.market_partitions(), true, cache}, shared_.calendar);
    case Stage::desk: return std::make_unique<AlertManager>(AlertManager::Settings{definition, input.partition, cache});
  }
  return nullptr;
}

}  // namespace fiverate
