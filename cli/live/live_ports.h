// The ports of a stage thread of `fiverate run`: Kafka, RocksDB and the stages with the settings of this process.
#pragma once

#include <functional>
#include <string>

#include "cli/live/live.h"
#include "cli/live/memory.h"
#include "processors/edge/kafka_log.h"
#include "processors/edge/states.h"
#include "processors/runtime/stage_ports.h"
#include "processors/stages/intake.h"

namespace fiverate {

class LivePorts final : public StagePorts {
 public:
  // `member`: the thread's name in its consumer group. `is_stopping` and `on_work` are called while a snapshot is restored.
  struct Thread {
    Stage stage;
    std::string member;
    std::function<bool()> is_stopping;
    std::function<void()> on_work;
  };
  LivePorts(const LiveSettings& settings, const MarketCalendar& calendar, States& states, Thread thread)
      : settings_(settings),
        calendar_(calendar),
        states_(states),
        thread_(std::move(thread)),
        memory_(shares_of(settings)) {}

  Result<std::unique_ptr<Sink>> open_sink() override;
  Result<std::unique_ptr<Source>> open_source() override;
  Result<std::unique_ptr<Source>> open_reader(const std::map<Input, std::int64_t>& from) override;
  Result<std::unique_ptr<CheckpointReader>> open_checkpoints() override;
  Result<std::unique_ptr<Store>> open_store(const Input& input, const std::optional<Checkpoint>& checkpoint) override;
  std::unique_ptr<Operator> make_operator(const Input& input) override;

  // Of the consumer opened last; it has to live.
  [[nodiscard]] bool is_assigned() const { return source_ != nullptr && source_->assigned(); }
  void leave_group() {
    if (source_ != nullptr) source_->leave();
  }

 private:
  // As ReadQuarantine of stages/intake.h.
  [[nodiscard]] Result<std::vector<std::optional<Quarantined>>> read_quarantine(
      const std::vector<QuarantinePosition>& positions) const;
  [[nodiscard]] KafkaSettings kafka(std::int32_t fetch_kib) const;

  const LiveSettings& settings_;
  const MarketCalendar& calendar_;
  States& states_;
  Thread thread_;
  MemoryShares memory_;
  KafkaSource* source_ = nullptr;
};

}  // namespace fiverate
