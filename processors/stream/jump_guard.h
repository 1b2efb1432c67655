// Guards the clock of a source partition: one record with a wrong date must not move it years ahead, since every later record of the
// partition would then be late. A record is a jump if the time that it claims is more than `tolerance` later than the partition's clock.
// The first record of a partition is a jump, too.
//
//   undecided   the record is held, and the partition pauses before it (runtime/jump_holds.h decides)
//   accepted    it moves the clock
//   rejected    it is quarantined as `future` and moves nothing
//
// A decision depends on the clocks of other partitions. So that a restart and a replay decide the same, it is part of the task's
// checkpoints, and is acknowledged there before the record is applied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

class JumpGuard {
 public:
  static constexpr Millis kTolerance = 2 * kDayMs;

  // A record that waits for a decision.
  struct Held {
    std::int64_t offset = 0;
    Millis claimed = kNever;
    friend bool operator==(const Held&, const Held&) = default;
  };
  // For the jumps at offsets [from, to).
  struct Decision {
    std::int64_t from = 0;
    std::int64_t to = 0;
    bool accepted = false;
  };
  enum class Verdict : std::uint8_t { no_jump, undecided, accepted, rejected };

  // `clock`: of the partition before the record; kNever before the first one.
  [[nodiscard]] Verdict verdict(std::int64_t offset, Millis claimed, Millis clock) const;
  static bool is_jump(Millis claimed, Millis clock) {
    return claimed != kNever && (clock == kNever || claimed > clock + kTolerance);
  }

  void hold(Held held) { held_ = held; }
  [[nodiscard]] const std::optional<Held>& held() const { return held_; }
  void decide(Decision decision);
  // One past the last record with a decision; 0: there is none.
  [[nodiscard]] std::int64_t decided_until() const { return decisions_.empty() ? 0 : decisions_.back().to; }

  // What an operator has decided about held records of any partition, by the position "deliveries/3/1234"; the last kRulingsMax.
  void rule(std::string position, bool accepted);
  [[nodiscard]] std::optional<bool> ruling(std::string_view position) const;

  void save(SourceClock& saved, Millis clock) const;
  // Adds the decisions and rulings of a checkpoint to those that are known.
  void load(const SourceClock& saved);

 private:
  static constexpr std::size_t kRulingsMax = 1'000;

  std::optional<Held> held_;
  std::vector<Decision> decisions_;  // ascending by offset
  std::vector<std::pair<std::string, bool>> rulings_;
};

// The ruling of a checkpoint, as JumpGuard::ruling().
std::optional<bool> ruling_of(const SourceClock& saved, std::string_view position);

}  // namespace fiverate
