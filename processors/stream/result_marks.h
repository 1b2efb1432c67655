// What a task knows of the partitions that hold its results and that no task reads: up to where they were filled when its outputs were
// acknowledged, and which record stood there. An unclean election may cut such a partition, and others (a process that was cut off, or
// what was still on its way) may fill it again: then the record before a mark is another one.
//
// Older marks stay, ever sparser: the last one whose record still stands says from where on all has to be said again.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "processors/stream/ports.h"

namespace fiverate {

class ResultsState;

struct ResultMark {
  std::int64_t end = 0;    // one past an acknowledged record
  CausePosition cause;     // which that record carries
  std::int64_t said = 0;   // all that is caused by input offsets before this one stands before it
  std::int64_t as_of = 0;  // next offset of the task's input when it was known last: of two that know of a partition the later one is right
  friend bool operator==(const ResultMark&, const ResultMark&) = default;
};

class ResultMarks {
 public:
  void note(const Input& target, const ResultMark& mark);
  // Whoever owns the task knows of nothing newer at this offset.
  void confirm(std::int64_t as_of);
  // It is to be filled anew. Until then whoever knows anything knows better.
  void forget(const Input& target) { marks_.erase(target); }
  // Rising; empty: nothing is known.
  [[nodiscard]] const std::vector<ResultMark>& of(const Input& target) const;
  [[nodiscard]] bool empty() const { return marks_.empty(); }

  // What another (the group) knows, where it is not older. False: the columns do not belong together.
  [[nodiscard]] bool learn(const ResultsState& state);
  [[nodiscard]] ResultsState to_state() const;
  // Where room is scarce: the newest marks of the partitions that were written to last.
  [[nodiscard]] ResultsState newest() const;
  static constexpr std::size_t kNewestMax = 16;

 private:
  std::map<Input, std::vector<ResultMark>> marks_;
};

}  // namespace fiverate
