// A stage: the core behind a task. No I/O, no clock and no threads in it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/jump_guard.h"
#include "processors/stream/ports.h"

namespace fiverate {

// Where an operator puts its outputs. Each record gets the next cause of the input record at hand.
class Outbox {
 public:
  virtual ~Outbox() = default;
  // To a partition that another task reads: chained, so that the receiver notices missing and differing records.
  // `depends_on`: records of other senders that the receiver has to have applied before this one.
  virtual void to_task(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value,
                       std::vector<Cause> depends_on = {}) = 0;
  // To a result topic: not chained.
  virtual void to_result(Topic topic, std::int32_t partition, Millis timestamp, std::string key, std::string value) = 0;
  // False: a state-only replay. Outputs, and the sums and chains over them, need not be computed: they come from a checkpoint.
  [[nodiscard]] virtual bool outputs_enabled() const { return true; }
};

class Operator {
 public:
  virtual ~Operator() = default;
  // Loads what it keeps in memory. Called once, before anything else.
  [[nodiscard]] virtual Result<void> open(const Store& store) = 0;
  // Folds one record. Repetitions have been dropped.
  [[nodiscard]] virtual Result<void> apply(const InRecord& record, Outbox& outbox) = 0;
  // Of the stages that read records of other tasks: why nobody of fiverate has written this record, which is skipped then. Nothing: it is ours.
  // A function of the record alone.
  [[nodiscard]] virtual std::optional<std::string> foreign_reason(const InRecord& /*record*/) const {
    return std::nullopt;
  }
  // True: no output is held back to be merged with that of the next record, so a commit is possible.
  [[nodiscard]] virtual bool at_boundary() const = 0;
  // Adds all that changed since the last save.
  virtual void save(StoreBatch& batch) = 0;
  // The operator's time: intake has the highest arrival of its partition, the stages behind it the watermark.
  [[nodiscard]] virtual Millis clock() const = 0;

  // What follows from the outputs and is not in the state: a task that has replayed its state alone continues with it.
  struct ResumePoint {
    std::string tally;
    // From this offset of the input on a state-only replay has to compute the outputs as well.
    std::int64_t outputs_from = std::numeric_limits<std::int64_t>::max();
  };
  // Nothing: a task without a state has to compute all outputs from the beginning.
  [[nodiscard]] virtual std::optional<ResumePoint> resume_point() const { return std::nullopt; }
  // Continues with the tally that a task at this offset had, whose outputs were computed all along. Drops held-back outputs.
  [[nodiscard]] virtual Result<void> resume(std::string_view /*tally*/) {
    return fail(Reaction::stop, "This stage continues from its own state only.");
  }

  // Of the stages that read source partitions: the partition is on the wall clock, so intake writes marks into it.
  [[nodiscard]] virtual bool is_live() const { return false; }
  // Of the same stages: the guard of the partition's clock, and the time to which a record would move it.
  [[nodiscard]] virtual JumpGuard* jump_guard() { return nullptr; }
  [[nodiscard]] virtual Millis claimed_time(const InRecord& /*record*/) { return kNever; }

  // Members of a JSON object for `fiverate status` ("\"alerts_open\":3"); empty: none.
  [[nodiscard]] virtual std::string report() const { return {}; }
};

}  // namespace fiverate
