// The differences of all cells of a market task by day, until no row needs them any more (running_values.h has the rule).
//
// They are kept in chunks: sorted, equal ones added up, as columns (DayDifferencesState). The last chunk of a day stays in memory and
// is written again at each save until it is full.
//
// Keys of the store: b/<day, 8 hex digits><number of the chunk, 8 hex digits>.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/ports.h"
#include "processors/trade/rows/running_values.h"

namespace fiverate {

class DayDifferences {
 public:
  // So many differences make a chunk full: 64 KiB in memory.
  static constexpr std::size_t kChunkDifferences = 4096;
  static constexpr std::string_view kPrefix = "b/";  // of its keys in the store

  [[nodiscard]] Result<void> open(const Store& store);
  void save(StoreBatch& batch);

  void add(Day day, std::span<const CellDifference> differences);
  // Moves running values on to a later day.
  [[nodiscard]] Result<void> move(RunningValues& values, Day day) const;
  // Drops the differences that are needed no more once the values of FINAL rows have moved to `as_of`.
  [[nodiscard]] Result<void> drop_before(Day as_of);

 private:
  struct OfDay {
    std::vector<CellDifference> last;              // the chunk that is not full
    std::uint32_t full_chunks = 0;                 // numbered from 0; the last chunk has the next number
    std::map<std::uint32_t, std::string> unsaved;  // full chunks, encoded, for the next save
    bool changed = false;                          // `last` differs from the store
    bool deliveries_only = false;                  // all others have been dropped
  };
  static void add_to(OfDay& of_day, const CellDifference& difference);
  [[nodiscard]] Result<void> visit(Day day, const OfDay& of_day,
                                   const std::function<void(std::span<const CellDifference>)>& visit) const;
  void erase(Day day, const OfDay& of_day);

  const Store* store_ = nullptr;
  std::map<Day, OfDay> days_;
  StoreBatch erased_;
};

}  // namespace fiverate
