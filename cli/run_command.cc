// `run`: the processors.
#include <spdlog/spdlog.h>

#include <csignal>
#include <thread>

#include "cli/commands.h"
#include "cli/live.h"
#include "processors/edge/kafka_admin.h"

namespace fiverate {
namespace {

std::set<Stage> stages_of(const std::vector<std::string>& names) {
  std::set<Stage> stages;
  for (const auto& name : names) {
    if (name == "intake") {
      stages.insert(Stage::intake);
    } else if (name == "outlet") {
      stages.insert(Stage::outlet);
    } else if (name == "market") {
      stages.insert(Stage::market);
    } else {
      throw ExitError(kExitUsage, fmt::format("--stage: \"{}\" is none of intake, outlet, market.", name));
    }
  }
  if (stages.empty()) stages = {Stage::intake, Stage::outlet, Stage::market};
  return stages;
}

// Waits for Kafka as long as it takes, then sees that the topics are those of this configuration.
Result<bool> topics_are_ours(const Context& context, const std::stop_token& stop) {
  for (;;) {
    if (stop.stop_requested()) return false;
    const auto reached = reach(context.kafka);
    if (reached) break;
    if (reached.error().reaction == Reaction::stop) return tl::make_unexpected(reached.error());
    spdlog::warn("{} Trying again.", reached.error().what);
  }
  TopicPlan plan;
  plan.partitions = context.partitions();
  plan.wall_clock = context.config().intake.clock == IntakeClock::wall;
  plan.replication_factor = context.config().topics.replication;
  plan.definition = [definition = context.definition()](Topic topic) { return definition_record(topic, definition); };
  const auto findings = check_topics(context.kafka, plan);
  if (!findings) return tl::make_unexpected(findings.error());
  std::string wrong;
  for (const auto& finding : *findings) {
    if (finding.setting == "topic" || finding.setting == "partitions" || finding.setting.starts_with("definition")) {
      wrong += "\n  " + to_text(finding);
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

int run_stages(const Context& context, const std::vector<std::string>& names) {
  const LiveSettings settings{context.config(), context.kafka, context.definition(), stages_of(names)};
  const MarketCalendar calendar(context.config().market.timezone);

  // Signals go to one thread, the others never see them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::stop_source stop;
  std::jthread signal_thread([&](const std::stop_token& over) {
    int seen = 0;
    while (!over.stop_requested()) {
      const timespec wait{0, 100'000'000};
      if (sigtimedwait(&signals, nullptr, &wait) < 0) continue;
      if (++seen > 1) std::_Exit(kExitFailed);  // asked twice: now
      spdlog::info("stopping");
      stop.request_stop();
    }
  });

  const auto ours = topics_are_ours(context, stop.get_token());
  if (!ours) throw ExitError(kExitUsage, ours.error().what);
  if (!*ours) return kExitDone;
  spdlog::info("running against {}", context.kafka.properties.at("bootstrap.servers"));
  or_exit(run_live(settings, calendar, stop));
  spdlog::info("stopped");
  return kExitDone;
}

}  // namespace

void add_run(Program& program) {
  auto* const run = program.app.add_subcommand("run", "Run the processors until Ctrl-C");
  auto stages = std::make_shared<std::vector<std::string>>();
  run->add_option("--stage", *stages, "intake, outlet, market (default: all), comma-separated")->delimiter(',');
  run->callback([&program, stages] {
    program.command = [stages](const Context& context) { return run_stages(context, *stages); };
  });
}

}  // namespace fiverate
