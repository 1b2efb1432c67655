// `run`: the processors.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/live_market.h"
#include "cli/commands/market_definition.h"
#include "cli/live/health_server.h"
#include "cli/live/live.h"
#include "cli/live/memory_limit.h"
#include "processors/edge/kafka_admin.h"
#include "processors/edge/kafka_log.h"
#include "processors/stages/topology.h"
#include "processors/stream/failpoint.h"
#include "processors/trade/rules/regional_rules.h"

namespace fiverate {
namespace {

constexpr std::chrono::seconds kStopWithin{8};

std::set<Stage> stages_of(const std::vector<std::string>& names) {
  std::set<Stage> stages;
  for (const auto& name : names) {
    if (name == "intake") {
      stages.insert(Stage::intake);
    } else if (name == "outlet") {
      stages.insert(Stage::outlet);
    } else if (name == "market") {
      stages.insert(Stage::market);
    } else if (name == "desk") {
      stages.insert(Stage::desk);
    } else {
      throw ExitError(kExitUsage,
                      fmt::format("--stage \"{}\": unknown stage. Stages: intake, outlet, market, desk.", name));
    }
  }
  if (stages.empty()) stages = {Stage::intake, Stage::outlet, Stage::market, Stage::desk};
  return stages;
}

struct FoundTopics {
  Definition definition;
  bool live = false;
  std::vector<TopicFinding> findings;
};

Result<FoundTopics> find_topics(const Context& context) {
  TRY(reach(context.kafka));
  TRY_VALUE(definition, market_definition(context));
  TRY_VALUE(plan, market_plan(context, definition));
  TRY_VALUE(findings, check_topics(context.kafka, plan));
  return FoundTopics{std::move(definition), plan.live, std::move(findings)};
}

// Waits for Kafka without a limit, then checks that the topics are those of this configuration. Returns what it has found;
// nothing: `stop` was requested.
Result<std::optional<FoundTopics>> check_market(const Context& context, const std::stop_token& stop) {
  Result<FoundTopics> found;
  for (;;) {
    if (stop.stop_requested()) return std::nullopt;
    found = find_topics(context);
    if (found) break;
    if (found.error().reaction == Reaction::stop) return tl::make_unexpected(found.error());
    spdlog::warn("{} Trying again.", found.error().what);
  }
  std::string wrong;
  bool other_definition = false;
  for (const auto& finding : found->findings) {
    if (finding.kind == TopicFinding::Kind::unread || finding.kind == TopicFinding::Kind::surplus) {
      spdlog::warn("{}", to_text(finding));  // intake pauses while a source topic has partitions that nobody reads
    } else if (finding.setting == "topic" || finding.setting == "partitions" ||
               finding.setting == "unclean.leader.election.enable") {
      wrong += "\n  " + to_text(finding);
    } else if (finding.kind ==
               TopicFinding::Kind::
                   expired) {  // the states name the definition as well; a task without a state stops (PARTIAL)
      spdlog::warn("{}", to_text(finding));
    } else if (finding.setting.starts_with("definition")) {
      if (!std::exchange(other_definition, true)) {
        const auto differences = definition_differences(context);
        if (differences.empty()) wrong += "\n  " + to_text(finding);
        for (const auto& difference : differences) wrong += "\n  definition: " + to_text(difference);
      }
    } else {
      spdlog::warn("{}", to_text(finding));
    }
  }
  if (wrong.empty()) {
    const auto configured = context.config().topics.source_partitions;
    if (const auto now = partition_counts(found->definition).source; now != configured)
      spdlog::info("topics.source_partitions is {}; this market has {} since `topics extend`", configured, now);
    return std::move(*found);
  }
  return fail(
      Reaction::stop,
      "The topics are not those of this configuration:{}\nMake them with `fiverate topics create`, or go back to the "
      "configuration that they were made with.",
      wrong);
}

Result<void> clock_is_ours(const Context& context, const FoundTopics& found, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    auto ensured = ensure_clock(context, found.definition, found.live, found.findings);
    if (ensured || ensured.error().reaction == Reaction::stop) return ensured;
    spdlog::warn("{} Trying again.", ensured.error().what);
  }
  return {};
}

struct RunArguments {
  std::vector<std::string> stages;
  std::optional<int> standby;
};

// For tests (stream/failpoint.h). The log warns of a variable that is set by mistake.
void arm_failpoint_of_environment() {
  const char* const text = std::getenv("FAILPOINT");
  if (text == nullptr) return;
  const auto point = parse_failpoint(text);
  if (!point) throw ExitError(kExitUsage, point.error().what);
  const int number = point->stops ? SIGSTOP : SIGKILL;
  spdlog::warn("FAILPOINT is set: the process {} itself at pass {} of {}", point->stops ? "freezes" : "kills",
               point->pass, point->name);
  arm_failpoint(*point, [number] { ::kill(::getpid(), number); });
}

int run_stages(const Context& context, const RunArguments& arguments) {
  arm_failpoint_of_environment();
  LiveSettings settings{context.config(), context.kafka, {}, stages_of(arguments.stages)};
  settings.standby = arguments.standby.value_or(context.config().run.standby);
  const MarketCalendar calendar(context.config().market.timezone);
  const auto memory_limit = cgroup_memory_limit();
  if (const auto problem = memory_problem(settings.config.state.memory_mib, memory_limit))
    throw ExitError(kExitUsage, *problem);
  if (const auto problem = address_space_problem(settings.config.state.memory_mib, address_space_limit()))
    throw ExitError(kExitUsage, *problem);

  // Signals go to one thread, the others never see them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::stop_source stop;
  std::jthread signal_thread([&](const std::stop_token& over) {
    while (!over.stop_requested()) {
      const timespec wait{0, 100'000'000};
      if (sigtimedwait(&signals, nullptr, &wait) < 0) continue;
      spdlog::info("stopping");
      failpoint("stop.requested");
      stop.request_stop();
      // A call to a broker that is away may not return in time. The next start repeats interrupted work.
      const auto until = std::chrono::steady_clock::now() + kStopWithin;
      while (!over.stop_requested() && std::chrono::steady_clock::now() < until) {
        const timespec short_wait{0, 100'000'000};
        if (sigtimedwait(&signals, nullptr, &short_wait) >= 0) std::_Exit(kExitFailed);
      }
      if (over.stop_requested()) return;
      spdlog::warn("not everything ended within {} s: exiting. The next start resumes from the states",
                   kStopWithin.count());
      std::_Exit(kExitDone);
    }
  });

  std::optional<MemoryWatch> memory_watch;
  if (memory_limit) {
    memory_watch.emplace(*memory_limit, [](const std::string& message) {
      spdlog::error("{}", message);
      std::_Exit(kExitFailed);
    });
  }
  HealthBoard health;
  std::unique_ptr<HealthServer> health_server;  // before Kafka is reached: a process that waits for it is alive
  if (!settings.config.run.health.empty()) {
    health_server = or_exit(HealthServer::open(settings.config.run.health, health));
    spdlog::info("health: http://{}/livez and /readyz", health_server->address());
  }
  const auto found = check_market(context, stop.get_token());
  if (!found) throw ExitError(kExitUsage, found.error().what);
  if (!*found) return kExitDone;
  settings.definition = (*found)->definition;
  if (settings.stages.contains(Stage::intake)) {
    if (const auto ensured = clock_is_ours(context, **found, stop.get_token()); !ensured)
      throw ExitError(kExitUsage, ensured.error().what);
  }
  for (const auto& sentence : rules_not_evaluated(selection_of(settings.definition))) spdlog::warn("{}", sentence);
  spdlog::info("running against {}", context.kafka.properties.at("bootstrap.servers"));
  or_exit(run_live(settings, calendar, health, stop));
  spdlog::info("stopped");
  return kExitDone;
}

}  // namespace

void add_run(Program& program) {
  auto* const run = program.app.add_subcommand("run", "Run the processors until Ctrl-C");
  auto arguments = std::make_shared<RunArguments>();
  run->add_option("--stage", arguments->stages, "intake, outlet, market, desk (default: all), comma-separated")
      ->delimiter(',');
  run->add_option(
         "--standby", arguments->standby,
         "Keep copies of this many tasks of other processes warm, per stage, to take over at once (run.standby)")
      ->check(CLI::Range(0, 1024));
  run->callback([&program, arguments] {
    program.command = [arguments](const Context& context) { return run_stages(context, *arguments); };
  });
}

}  // namespace fiverate
