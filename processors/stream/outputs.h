// The outputs of a task: gives each record its cause and, between tasks, its link to the record before it, and hands it to the sink
// unless it is suppressed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "processors/stream/admission.h"
#include "processors/stream/operator.h"
#include "processors/stream/ports.h"

namespace fiverate {

class Outputs final : public Outbox {
 public:
  // `task`: sender name of the outputs. The sink outlives this.
  Outputs(std::string task, Sink& sink) : task_(std::move(task)), sink_(sink) {}

  // The following outputs are caused by the input record at `offset`. `enabled`: they are computed; `published`: they are also sent.
  void begin(std::int64_t offset, bool enabled, bool published);

  void to_task(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value,
               std::vector<Cause> depends_on) override;
  void to_result(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) override;
  [[nodiscard]] bool outputs_enabled() const override { return enabled_; }

  // The first error of the sink, if there was one. The task cannot continue after it.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] std::int64_t quarantined() const { return quarantined_; }

  // After a flush: takes note of what is acknowledged.
  void note_acknowledged();
  // The last acknowledged record to each partition of an internal topic.
  using Acknowledged = std::map<Input, CausePosition>;
  [[nodiscard]] std::shared_ptr<const Acknowledged> acknowledged() const { return acknowledged_; }
  // One past the last acknowledged record of this task in each result partition.
  [[nodiscard]] const std::map<Input, std::int64_t>& result_ends() const { return result_ends_; }
  void expect_result_end(const Input& target, std::int64_t end) { result_ends_[target] = end; }

  // False: the columns do not belong together.
  [[nodiscard]] bool load(const OutputChains& chains, std::int64_t next_offset);
  [[nodiscard]] OutputChains chains(std::int64_t next_offset) const;

 private:
  CausePosition next_position() { return {offset_, next_index_++}; }
  void send(OutRecord record);

  std::string task_;
  Sink& sink_;
  std::map<Input, ChainPosition> chains_;
  std::shared_ptr<const Acknowledged> acknowledged_ = std::make_shared<const Acknowledged>();
  std::map<Input, std::int64_t> result_ends_;
  std::vector<Input> results_written_;  // since the last note_acknowledged()

  std::int64_t offset_ = 0;  // of the input record at hand
  std::int32_t next_index_ = 0;
  bool enabled_ = true;
  bool published_ = true;
  std::optional<Error> error_;
  std::int64_t quarantined_ = 0;
};

}  // namespace fiverate
