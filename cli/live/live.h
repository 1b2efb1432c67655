// `fiverate run`: a supervisor for each thread of each stage (processors/runtime/supervisor.h), and the states of their tasks (states.h).
#pragma once

#include <map>
#include <set>
#include <stop_token>
#include <string>

#include "cli/config/config.h"
#include "ledger.pb.h"
#include "processors/edge/kafka_client.h"
#include "processors/stages/topology.h"
#include "schemas/time.h"

namespace fiverate {

// The consumer group of a stage; intake and reference share one.
std::string group_of(const KafkaSettings& settings, Stage stage);

class HealthBoard;

// Number of threads of a stage in this process; reference runs in those of intake.
int threads_of(const Config& config, Stage stage);

struct LiveSettings {
  Config config;
  KafkaSettings kafka;
  Definition definition;
  std::set<Stage> stages;  // Stage::intake stands for reference too
  int standby = 0;         // of each stage, how many tasks of other processes have a standby copy here
};

// Runs until `stop` or an error that needs a person.
Result<void> run_live(const LiveSettings& settings, const MarketCalendar& calendar, HealthBoard& health,
                      const std::stop_source& stop);

}  // namespace fiverate
