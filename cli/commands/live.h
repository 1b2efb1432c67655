// `fiverate run`: the stages as threads, each with its own consumer, producer and tasks. A thread whose worker ends with an
// error that time may heal (Kafka away, a producer that broke) throws all of it away and starts anew from the stores; an error
// that needs a person ends the process.
#pragma once

#include <set>
#include <stop_token>
#include <string>

#include "cli/config/config.h"
#include "ledger.pb.h"
#include "processors/edge/kafka_client.h"
#include "processors/edge/rocks_store.h"
#include "processors/stages/topology.h"
#include "schemas/time.h"

namespace fiverate {

// The consumer group of a stage; intake and reference share one.
std::string group_of(const KafkaSettings& settings, Stage stage);

struct LiveSettings {
  Config config;
  KafkaSettings kafka;
  Definition definition;
  std::set<Stage> stages;  // intake (with reference), outlet, market, desk
};

// Until `stop` or an error that needs a person. Logs what happens.
Result<void> run_live(const LiveSettings& settings, const MarketCalendar& calendar, const std::stop_source& stop);

}  // namespace fiverate
