#include "cli/live/live.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "cli/live/health.h"
#include "cli/live/instance_slot.h"
#include "cli/live/member_name.h"
#include "cli/live/memory.h"
#include "cli/live/stage_thread.h"
#include "cli/live/states.h"
#include "processors/stream/failpoint.h"

namespace fiverate {
int threads_of(const Config& config, Stage stage) {
  switch (stage) {
    case Stage::intake: return config.run.intake_threads;
    case Stage::outlet: return config.run.outlet_threads;
    case Stage::market: return config.run.market_threads;
    case Stage::desk: return config.run.desk_threads;
    case Stage::reference: break;
  }
  return 0;
}

std::string group_of(const KafkaSettings& settings, Stage stage, const std::string& twin) {
  return fmt::format("{}fiverate-{}{}{}", settings.topic_prefix, name_of(stage == Stage::reference ? Stage::intake : stage),
                     twin.empty() ? "" : "-", twin);
}

Result<void> run_live(const LiveSettings& settings, const MarketCalendar& calendar, HealthBoard& health,
                      const std::stop_source& stop) {
  const auto& config = settings.config;
  std::error_code folder_error;
  std::filesystem::create_directories(config.state.dir, folder_error);
  if (folder_error) return fail(Reaction::stop, "Cannot make the state folder {}: {}", config.state.dir, folder_error.message());
  const auto entered = InstanceSlot::enter(config.state.dir, settings.standby > 0 || !settings.twin.empty());
  if (!entered) return tl::make_unexpected(entered.error());
  const auto slot = InstanceSlot::take(config.state.dir);
  if (!slot) return tl::make_unexpected(slot.error());
  failpoint("run.start");
  if (settings.standby > 0) {
    for (const auto stage : settings.stages) {
      if (threads_of(config, stage) <= 1) continue;
      return fail(Reaction::stop, "With --standby a stage has one thread a process: run.{}_threads is {}. Start more processes instead.",
                  name_of(stage), threads_of(config, stage));
    }
  }
  if (!config.snapshots.dir.empty() && !std::filesystem::is_directory(config.snapshots.dir, folder_error)) {
    return fail(Reaction::stop,
                "snapshots.dir: {} is no folder. Make it, or mount it: where it is only missing for a while, states would be built from the "
                "log's beginning.",
                config.snapshots.dir);
  }
  const SnapshotSettings snapshots{config.snapshots.dir, config.topics.prefix, config.snapshots.keep,
                                   std::chrono::seconds{config.snapshots.every_s}};
  States states(config.state.dir, snapshots, shares_of(settings).stores_bytes, definition_id(settings.definition));
  const StageThread::Shared shared{settings, calendar, states, health};
  const auto process = process_name(config.state.dir, slot->number());
  if (!process) return tl::make_unexpected(process.error());
  std::mutex mutex;
  Result<void> result;
  std::vector<std::jthread> threads;
  for (const auto stage : settings.stages) {
    for (int i = 0; i < threads_of(config, stage); ++i) {
      const auto name = fmt::format("{} {}", name_of(stage), i);
      health.at_work(name);  // before it runs, so that none is missed
      threads.emplace_back([&, stage, i, name] {
        const auto member = fmt::format("{}-{}-{}", *process, name_of(stage), i);
        auto ended = StageThread(shared, stage, name, member, stop.get_token()).run();
        if (ended) return;
        spdlog::error("{}: {}", name_of(stage), ended.error().what);
        const std::lock_guard lock(mutex);
        if (result) result = std::move(ended);
        static_cast<void>(std::stop_source(stop).request_stop());
      });
    }
  }
  threads.clear();  // joins
  return result;
}

}  // namespace fiverate
