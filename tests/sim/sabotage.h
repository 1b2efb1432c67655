// Faults that no machine has but a program with a mistake in it would have. The simulation has to find each of them: by a
// task that stops, by a gap that stays open, or by what is compared at the end.
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
  fickle_stage,    // a stage that says something else when it repeats itself
  dropped_record,  // acknowledged, but never written
  swapped_pair,    // two records to one partition, the second first
  changed_delta,   // a number is one higher than what was said
};
inline constexpr std::array<std::string_view, 5> kSabotageNames{"none", "a fickle stage", "a dropped record",
                                                                "a swapped pair", "a changed delta"};

class Saboteur {
 public:
  Saboteur(Sabotage kind, Chance& chance) : kind_(kind), chance_(chance), after_(chance.between(1, 25)) {}

  // What is sent in place of a record.
  std::vector<OutRecord> on_the_wire(OutRecord record, const void* sink);
  // What was held back to be swapped with the next one, if none came.
  std::optional<OutRecord> release(const void* sink);
  void acknowledged(const void* sink);
  void gone(const void* sink);

  // Around the operator of a task that was begun before.
  std::unique_ptr<Operator> wrap(std::unique_ptr<Operator> op, bool repeats);
  [[nodiscard]] std::optional<std::string> changed(const std::string& value);

  // Is the log another than it would have been? Not if what was dropped came from elsewhere, in order.
  [[nodiscard]] bool struck(const SimLog& log) const;
  [[nodiscard]] bool spoiled_anything() const { return !changed_.empty(); }
  [[nodiscard]] Sabotage kind() const { return kind_; }

 private:
  [[nodiscard]] bool due(const OutRecord& record);

  Sabotage kind_;
  Chance& chance_;
  std::int64_t after_;  // so many records
  bool done_ = false;
  bool lost_for_good_ = false;
  const void* by_ = nullptr;
  std::optional<OutRecord> held_;
  std::optional<OutRecord> dropped_;
  std::set<std::string> changed_;
};

// The chained records of each sender stand in a partition in the order of their causes, repetitions aside; the first place
// where they do not.
std::optional<std::string> first_out_of_order(const SimLog& log);

}  // namespace fiverate::test
