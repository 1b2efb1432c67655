// The simulated market as it goes: day by day every outlet lives its day (shop.h), what it reports meets its mishaps
// (trouble.h) and arrives, some of it days later. Records leave in the order in which a replay of the files would take
// them: by arrival, event_id, line.
//
//   World, Shops -> documents of a day -> Trouble -> records on their way, by day of arrival -> MarketOutput
//                -> truth of the day   -----------------------------------------------------> MarketOutput
//
// Reference data of the beginning comes first, with the first instant of the first day; what is decided later (an
// outlet moves, closes, ...) when it is known. Memory: the outlets (some 30 bytes for each SKU of each) and what is on
// its way.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "processors/stream/error.h"
#include "producers/simulate/trouble.h"
#include "producers/simulate/world.h"

namespace fiverate {

struct SimulateSettings {
  WorldSize size;
  TroubleRates trouble;
  // How much market time is told at once: between two slices the run may wait, and each ends with a mark.
  Millis slice_ms = kDayMs;
  std::int32_t fast_days = 0;  // the first days, told whole whatever slice_ms says
  bool open = false;  // leave out the last mark, which makes all days final
};

// Limits of the flags; beyond them ids, memory or the work of a day would get out of hand.
inline constexpr std::int32_t kSimulatedOutletsMax = 1'000'000;
inline constexpr std::int32_t kSimulatedBrandsMax = 99;
inline constexpr std::int32_t kSimulatedSkusMax = 1'000;
inline constexpr std::int32_t kSimulatedDaysMax = 3'660;

// Where a market goes.
class MarketOutput {
 public:
  virtual ~MarketOutput() = default;
  virtual Result<void> record(const Arriving& record) = 0;
  // Lines of one or more outlets, all of one day; days in turn.
  virtual Result<void> truth(std::string_view lines) = 0;
  // All that arrives before this instant has been told.
  virtual Result<void> mark(Millis complete_through) = 0;
  virtual Result<void> finish() = 0;
};

struct SimulateHooks {
  // Returns when the market's clock may reach this instant; false: end here. Also asked between outlets.
  std::function<bool(Millis instant)> reach = [](Millis) { return true; };
  // How many days of an outlet have been lived, and the market's clock.
  std::function<void(std::int64_t outlet_days, Millis clock)> progress = [](std::int64_t, Millis) {};
};

struct SimulateSummary {
  std::int64_t references = 0;
  std::int64_t events = 0;  // records of documents, broken ones too
  std::int64_t order_lines = 0;
  std::int64_t outlet_days = 0;
  Millis clock = kNever;  // where it ended
  bool complete = false;  // not ended by `reach`
};

Result<SimulateSummary> simulate(const SimulateSettings& settings, const MarketCalendar& calendar, MarketOutput& output,
                                 const SimulateHooks& hooks = {});

}  // namespace fiverate
