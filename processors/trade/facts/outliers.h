// Arrivals that lie far from all others, such as those with a mistyped year. The clock of a market follows the arrivals, so one
// such record would close every day up to it.
//
// Two rules split sorted arrivals into groups; D is the number of days that the caller allows:
//   - Where two neighbours are more than D days apart. All but the largest group are outliers.
//   - Within that group, where two neighbours are more than D / kFewDivisor days apart. A group at either end is an outlier if it has
//     at most one of kOneInMany arrivals: many records have no neighbour for weeks in a small history, but not in a large one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "schemas/time.h"

namespace fiverate {

inline constexpr std::int32_t kFewDivisor = 4;
inline constexpr std::size_t kOneInMany = 1'000;

// Positions, the end excluded.
struct ArrivalRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  [[nodiscard]] std::size_t size() const { return end - begin; }
  friend bool operator==(const ArrivalRange&, const ArrivalRange&) = default;
};

struct Outliers {
  ArrivalRange others;               // the arrivals that are none; empty without any arrival
  std::vector<ArrivalRange> groups;  // in order
};

// `arrivals` are sorted. `days` > 0. Of groups of equal size the earliest is the largest.
Outliers find_outliers(std::span<const Millis> arrivals, std::int32_t days);

}  // namespace fiverate
