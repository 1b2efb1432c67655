// Faults of a kind that only a bug in the program causes. The simulation has to detect each of them: a task stops, a sequence gap remains,
// or the comparison at the end differs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "processors/stream/task.h"
#include "tests/sim/faults.h"
#include "tests/sim/sim_log.h"

namespace fiverate::test {

enum class Sabotage : std::uint8_t {
  none,
  fickle_stage,    // a stage whose repeated outputs differ from the first ones
  dropped_record,  // a record that is acknowledged but never written
  swapped_pair,    // two records of one partition in the wrong order
  changed_delta,   // a number that is one higher than the one that was sent
};
inline constexpr std::array<std::string_view, 5> kSabotageNames{"none", "a fickle stage", "a dropped record",
                                                                "a swapped pair", "a changed delta"};

class Saboteur {
 public:
  Saboteur(Sabotage kind, Chance& chance) : kind_(kind), chance_(chance), after_(chance.between(1, 25)) {}

  // The records that are sent instead of this record.
  std::vector<OutRecord> on_the_wire(OutRecord record, const void* sink);
  // The record that was held back to be swapped with the next one, if there was no next one.
  std::optional<OutRecord> release(const void* sink);
  void acknowledged(const void* sink);
  void gone(const void* sink);

  // Wraps the operator of a task; `repeats`: the task has run before.
  std::unique_ptr<Operator> wrap(std::unique_ptr<Operator> op, bool repeats);
  [[nodiscard]] std::optional<std::string> changed(const std::string& value);

  // True if the log differs from one without sabotage. It does not if another producer has written the dropped record in order.
  [[nodiscard]] bool struck(const SimLog& log) const;
  [[nodiscard]] bool spoiled_anything() const { return !changed_.empty(); }
  [[nodiscard]] Sabotage kind() const { return kind_; }

 private:
  [[nodiscard]] bool due(const OutRecord& record);

  Sabotage kind_;
  Chance& chance_;
  std::int64_t after_;  // number of records before the sabotage
  bool done_ = false;
  bool lost_for_good_ = false;
  const void* by_ = nullptr;
  std::optional<OutRecord> held_;
  std::optional<OutRecord> dropped_;
  std::set<std::string> changed_;
};

// Checks that the linked records of each sender are in the order of their causes in each partition, apart from repeated ones. Returns the
// first violation.
std::optional<std::string> first_out_of_order(const SimLog& log);

}  // namespace fiverate::test
