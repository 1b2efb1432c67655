// `fiverate run`: the stages as threads (stage_thread.h), their states (states.h), and what the process says of its health.
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

// The consumer group of a stage; intake and reference share one. A twin has groups of its own.
std::string group_of(const KafkaSettings& settings, Stage stage, const std::string& twin = {});

class HealthBoard;

// Threads of a stage in this process; reference has none of its own.
int threads_of(const Config& config, Stage stage);

struct LiveSettings {
  Config config;
  KafkaSettings kafka;
  Definition definition;
  std::set<Stage> stages;   // intake (with reference), outlet, market, desk
  int standby = 0;          // how many tasks of each stage that others own are kept warm here
  std::string twin = {};         // of this name: does all the work of the processes without it once more
  std::map<std::string, std::int64_t> speak_from = {};  // by task_folder: says again what it said from this input offset on
};

// Until `stop` or an error that needs a person. Logs what happens.
Result<void> run_live(const LiveSettings& settings, const MarketCalendar& calendar, HealthBoard& health,
                      const std::stop_source& stop);

}  // namespace fiverate
