// `run`: the processors.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "cli/commands/commands.h"
#include "cli/commands/definition_difference.h"
#include "cli/live/health_server.h"
#include "cli/live/live.h"
#include "cli/live/states.h"
#include "processors/edge/kafka_admin.h"
#include "processors/edge/kafka_log.h"
#include "processors/stream/failpoint.h"

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
      throw ExitError(kExitUsage, fmt::format("--stage: \"{}\" is none of intake, outlet, market, desk.", name));
    }
  }
  if (stages.empty()) stages = {Stage::intake, Stage::outlet, Stage::market, Stage::desk};
  return stages;
}

// Waits for Kafka as long as it takes, then sees that the topics are those of this configuration.
Result<bool> topics_are_ours(const Context& context, const std::stop_token& stop) {
  Result<std::vector<TopicFinding>> findings;
  for (;;) {
    if (stop.stop_requested()) return false;
    auto reached = reach(context.kafka);
    if (reached) findings = check_topics(context.kafka, context.topic_plan());
    if (reached && findings) break;
    const auto& error = reached ? findings.error() : reached.error();
    if (error.reaction == Reaction::stop) return tl::make_unexpected(error);
    spdlog::warn("{} Trying again.", error.what);
  }
  std::string wrong;
  bool other_definition = false;
  for (const auto& finding : *findings) {
    if (finding.setting == "topic" || finding.setting == "partitions") {
      wrong += "\n  " + to_text(finding);
    } else if (finding.expired) {  // states name the definition as well; a task without one that reaches stops (PARTIAL)
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
  if (wrong.empty()) return true;
  return fail(Reaction::stop,
              "The topics are not those of this configuration:{}\nMake them with `fiverate topics create`, or go back to the "
              "configuration that they were made with.",
              wrong);
}

struct RunArguments {
  std::vector<std::string> stages;
  std::optional<int> standby;
  std::string twin;
  std::vector<std::string> speak_from;
};

// "outlet-3:12345"
std::pair<std::string, std::int64_t> speak_from_argument(const std::string& text, const Definition& definition) {
  const auto colon = text.rfind(':');
  const auto task = text.substr(0, colon);
  std::int64_t offset = -1;
  const auto* const end = text.data() + text.size();
  const bool is_number = colon != std::string::npos && std::from_chars(text.data() + colon + 1, end, offset).ptr == end && offset >= 0;
  std::string tasks;
  for (const auto stage : {Stage::intake, Stage::reference, Stage::outlet, Stage::market, Stage::desk}) {
    for (const auto& input : inputs_of(stage, definition)) {
      if (task_folder(input) == task && is_number) return {task, offset};
      tasks += (tasks.empty() ? "" : ", ") + task_folder(input);
    }
  }
  throw ExitError(kExitUsage, fmt::format("--speak-from: \"{}\" is no TASK:OFFSET, as outlet-0:12345. Tasks: {}.", text, tasks));
}

// For drills (stream/failpoint.h). Whoever has it set by mistake sees it in the log.
void arm_failpoint_of_environment() {
  const char* const text = std::getenv("FAILPOINT");
  if (text == nullptr) return;
  const auto point = parse_failpoint(text);
  if (!point) throw ExitError(kExitUsage, point.error().what);
  const int number = point->stops ? SIGSTOP : SIGKILL;
  spdlog::warn("FAILPOINT is set, this is a drill: the process {} itself at pass {} of {}", point->stops ? "freezes" : "kills",
               point->pass, point->name);
  arm_failpoint(*point, [number] { ::kill(::getpid(), number); });
}

int run_stages(const Context& context, const RunArguments& arguments) {
  arm_failpoint_of_environment();
  LiveSettings settings{context.config(), context.kafka, context.definition(), stages_of(arguments.stages)};
  settings.standby = arguments.standby.value_or(context.config().run.standby);
  settings.twin = arguments.twin;
  for (const auto& text : arguments.speak_from) settings.speak_from.insert(speak_from_argument(text, settings.definition));
  const MarketCalendar calendar(context.config().market.timezone);

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
      failpoint("stop.asked");
      stop.request_stop();
      // A call to a broker that is away may not come back in time. Whatever is cut off is repeated at the next start.
      const auto until = std::chrono::steady_clock::now() + kStopWithin;
      while (!over.stop_requested() && std::chrono::steady_clock::now() < until) {
        const timespec short_wait{0, 100'000'000};
        if (sigtimedwait(&signals, nullptr, &short_wait) >= 0) std::_Exit(kExitFailed);
      }
      if (over.stop_requested()) return;
      spdlog::warn("not everything ended within {} s: leaving it, the next start goes on from the state", kStopWithin.count());
      std::_Exit(kExitDone);
    }
  });

  HealthBoard health;
  std::unique_ptr<HealthServer> health_server;  // before Kafka is asked: who waits for it is alive
  if (!settings.config.run.health.empty()) {
    health_server = or_exit(HealthServer::open(settings.config.run.health, health));
    spdlog::info("health: http://{}/livez and /readyz", health_server->address());
  }
  const auto ours = topics_are_ours(context, stop.get_token());
  if (!ours) throw ExitError(kExitUsage, ours.error().what);
  if (!*ours) return kExitDone;
  spdlog::info("running against {}", context.kafka.properties.at("bootstrap.servers"));
  or_exit(run_live(settings, calendar, health, stop));
  spdlog::info("stopped");
  return kExitDone;
}

}  // namespace

std::string check_twin_name(const std::string& name) {
  constexpr auto kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  const bool good = !name.empty() && name.find_first_not_of(kAllowed) == std::string::npos;
  return good ? std::string() : std::string("a name of letters, digits, '-' and '_'");
}

void add_run(Program& program) {
  auto* const run = program.app.add_subcommand("run", "Run the processors until Ctrl-C");
  auto arguments = std::make_shared<RunArguments>();
  run->add_option("--stage", arguments->stages, "intake, outlet, market, desk (default: all), comma-separated")->delimiter(',');
  run->add_option("--standby", arguments->standby,
                  "Keep silent copies of so many tasks of each stage that other processes own, to take over at once (run.standby)")
      ->check(CLI::Range(0, 1024));
  run->add_option("--twin", arguments->twin,
                  "Do all the work once more, in consumer groups with this name behind theirs: when either process "
                  "dies nothing stops. "
                  "Needs a state.dir of its own")
      ->check(check_twin_name);
  run->add_option("--speak-from", arguments->speak_from,
                  "TASK:OFFSET, as outlet-3:12345 or deliveries-0:77, several with commas: goes back before this offset of its input (to a "
                  "snapshot or the beginning, intake to the beginning) and says again what follows from there on. Repairs a receiver "
                  "that reports a gap")
      ->delimiter(',');
  run->callback([&program, arguments] {
    program.command = [arguments](const Context& context) { return run_stages(context, *arguments); };
  });
}

}  // namespace fiverate
