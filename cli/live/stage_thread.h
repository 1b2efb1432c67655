// One thread of a stage: a consumer, a producer, a worker with its tasks. When the work ends with an error that time may heal (Kafka
// away, a producer that broke), all of it is thrown away and begins anew from the stores; an error that needs a person ends run().
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "cli/live/health.h"
#include "cli/live/live.h"
#include "cli/live/states.h"
#include "processors/stream/seat.h"
#include "schemas/time.h"

namespace fiverate {

class StageThread {
 public:
  // What the threads of a process share; outlives them.
  struct Shared {
    const LiveSettings& settings;
    const MarketCalendar& calendar;
    States& states;
    HealthBoard& health;
  };
  // `name`: for the board ("outlet 0"); `member`: its name in the consumer group.
  StageThread(Shared shared, Stage stage, std::string name, std::string member, std::stop_token stop)
      : shared_(shared), stage_(stage), name_(std::move(name)), member_(std::move(member)), stop_(std::move(stop)) {}

  // Until stopped; an error needs a person.
  [[nodiscard]] Result<void> run();

 private:
  Result<void> attempt();
  [[nodiscard]] Result<Seat> make_seat(const Input& input, Source& source, Sink& sink) const;
  [[nodiscard]] std::unique_ptr<Operator> make_operator(Stage stage, const Input& input) const;

  Shared shared_;
  Stage stage_;
  std::string name_;
  std::string member_;
  std::stop_token stop_;
};

}  // namespace fiverate
