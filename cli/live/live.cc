#include "cli/live/live.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "cli/live/health.h"
#include "cli/live/instance_slot.h"
#include "cli/live/live_ports.h"
#include "cli/live/member_name.h"
#include "cli/screen/message.h"
#include "cli/wall_clock.h"
#include "processors/runtime/supervisor.h"
#include "processors/stream/failpoint.h"

namespace fiverate {
namespace {

constexpr std::chrono::milliseconds kPollWait{50};

void log_report(Severity severity, const std::string& text) {
  spdlog::log(severity == Severity::warning ? spdlog::level::warn : spdlog::level::info, "{}", text);
}

// What the threads of a process share; outlives them.
struct Shared {
  const LiveSettings& settings;
  const MarketCalendar& calendar;
  States& states;
  HealthBoard& health;
};

// Shows what a thread's supervisor does on the health board.
class ThreadHealth final : public StageObserver {
 public:
  ThreadHealth(HealthBoard& board, std::string name) : board_(board), name_(std::move(name)) {}
  void on_start_task() override { board_.working(name_); }
  void on_round(const Source& source, const Tasks& tasks, const Standby* standby) override {
    board_.round(name_, ports->is_assigned(), tasks, source.lag(), standby);
  }
  void on_pause(const std::string& reason) override { board_.paused(name_, reason); }
  void on_restart(const Error& error) override { board_.restarting(name_, message_text(error.what)); }

  const LivePorts* ports = nullptr;

 private:
  HealthBoard& board_;
  std::string name_;
};

// One thread of a stage, until stopped. Error: a person has to act.
Result<void> run_thread(const Shared& shared, Stage stage, const std::string& name, const std::string& member,
                        const std::stop_token& stop) {
  const auto& settings = shared.settings;
  ThreadHealth health(shared.health, name);
  LivePorts ports(settings, shared.calendar, shared.states,
                  {stage, member, [&] { return stop.stop_requested(); }, [&] { health.on_start_task(); }});
  health.ports = &ports;
  StageSettings stage_settings{
      stage, settings.definition, settings.standby,
      WorkerOptions{kPollWait, std::chrono::milliseconds{settings.config.run.commit_every_ms}}};
  stage_settings.wall_clock = wall_clock;
  Supervisor supervisor(std::move(stage_settings), ports, health, log_report);
  while (!stop.stop_requested()) {
    TRY(supervisor.round());
    if (!supervisor.is_running()) std::this_thread::sleep_for(kPollWait);
  }
  TRY(supervisor.commit_all());
  if (supervisor.is_running() && settings.config.run.on_stop == OnStop::leave) ports.leave_group();
  return {};
}

}  // namespace

int threads_of(const Config& config, Stage stage) {
  switch (stage) {
    case Stage::intake:
      return config.run.intake_threads;
    case Stage::outlet:
      return config.run.outlet_threads;
    case Stage::market:
      return config.run.market_threads;
    case Stage::desk:
      return config.run.desk_threads;
    case Stage::reference:
      break;
  }
  return 0;
}

std::string group_of(const KafkaSettings& settings, Stage stage) {
  return fmt::format("{}fiverate-{}", settings.topic_prefix,
                     name_of(stage == Stage::reference ? Stage::intake : stage));
}

Result<void> run_live(const LiveSettings& settings, const MarketCalendar& calendar, HealthBoard& health,
                      const std::stop_source& stop) {
  const auto& config = settings.config;
  std::error_code folder_error;
  std::filesystem::create_directories(config.state.dir, folder_error);
  if (folder_error) {
    return fail(Reaction::stop, "The state folder {} cannot be created: {}", config.state.dir, folder_error.message());
  }
  const auto folder_lock = InstanceSlot::enter(config.state.dir, settings.standby > 0);
  if (!folder_lock) return tl::make_unexpected(folder_lock.error());
  TRY_VALUE(slot, InstanceSlot::acquire(config.state.dir));
  failpoint("run.start");
  if (settings.standby > 0) {
    for (const auto stage : settings.stages) {
      if (threads_of(config, stage) <= 1) continue;
      return fail(
          Reaction::stop,
          "With --standby a stage has one thread per process: run.{}_threads is {}. Start more processes instead.",
          name_of(stage), threads_of(config, stage));
    }
  }
  if (!config.snapshots.dir.empty() && !std::filesystem::is_directory(config.snapshots.dir, folder_error)) {
    return fail(Reaction::stop,
                "snapshots.dir: {} is not a folder. Create or mount it. (Without it states would be rebuilt from the "
                "log's beginning.)",
                config.snapshots.dir);
  }
  const SnapshotSettings snapshots{config.snapshots.dir, config.topics.prefix, config.snapshots.keep,
                                   std::chrono::seconds{config.snapshots.every_s}};
  States states(config.state.dir, snapshots, shares_of(settings).stores_bytes, definition_id(settings.definition));
  const Shared shared{settings, calendar, states, health};
  TRY_VALUE(process, process_name(config.state.dir, slot.number()));
  std::mutex mutex;
  Result<void> result;
  std::vector<std::jthread> threads;
  const auto start_thread = [&](auto work) {
    try {
      threads.emplace_back(std::move(work));
    } catch (const std::system_error& error) {  // a limit of processes or of address space
      static_cast<void>(std::stop_source(stop).request_stop());
      const std::lock_guard lock(mutex);
      if (result) {
        result = fail(Reaction::stop,
                      "A thread cannot be started: {}. Raise the limits of the process (ulimit -u, -v).", error.what());
      }
    }
  };
  for (const auto stage : settings.stages) {
    for (int i = 0; i < threads_of(config, stage); ++i) {
      const auto name = fmt::format("{} {}", name_of(stage), i);
      health.working(name);  // before the thread runs, so that /readyz counts it
      start_thread([&, stage, i, name] {
        auto ended =
            run_thread(shared, stage, name, fmt::format("{}-{}-{}", process, name_of(stage), i), stop.get_token());
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
