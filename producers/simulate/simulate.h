// The simulation of a market. For each day every outlet makes its documents (shop.h), errors are added to them (trouble.h), and
// they arrive, some of them days later. Records are emitted in the order in which a file replay reads them: by arrival,
// event_id, line.
//
//   World, Shops -> documents of a day -> Trouble -> records in transit, by day of arrival -> MarketOutput
//                -> truth of the day   ---------------------------------------------------> MarketOutput
//
// The initial reference data comes first and arrives at the first instant of the first day; a later change of an outlet arrives
// when it is announced. Memory holds the outlets (about 30 bytes for each of their SKUs) and the records in transit.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "processors/stream/error.h"
#include "producers/simulate/trouble.h"
#include "producers/simulate/world.h"
#include "schemas/import_position.h"
#include "schemas/topics.h"

namespace fiverate {

struct SimulateSettings {
  WorldSize size;
  TroubleRates trouble;
  // The market time that is emitted at once. Each slice ends with a mark; between two slices the run may wait.
  Millis slice_ms = kDayMs;
  std::int32_t fast_days = 0;  // these first days are emitted as one slice each
  bool open = false;           // true: do not write the last mark, which makes all days final
};

// Limits of the flags: larger values need longer ids, too much memory or too much time for a day.
inline constexpr std::int32_t kSimulatedOutletsMax = 1'000'000;
inline constexpr std::int32_t kSimulatedBrandsMax = 99;
inline constexpr std::int32_t kSimulatedSkusMax = 1'000;
inline constexpr std::int32_t kSimulatedDaysMax = 3'660;

// Receives the records, the truth and the marks of a simulation.
class MarketOutput {
 public:
  virtual ~MarketOutput() = default;
  virtual Result<void> record(const Arriving& record) = 0;
  // Lines of one or more outlets, all of the same day. Days come in order.
  virtual Result<void> truth(std::string_view lines) = 0;
  // All records that arrive before this instant have been emitted.
  virtual Result<void> mark(Millis complete_through) = 0;
  // After the last record. `closes` is the mark that makes all days final; without it they stay open.
  virtual Result<void> end(std::optional<Millis> closes) { return closes ? mark(*closes) : Result<void>{}; }
  virtual Result<void> finish() = 0;
};

struct SimulateHooks {
  // Blocks until the market's clock may reach this instant. False ends the simulation. Also called between outlets.
  std::function<bool(Millis instant)> reach = [](Millis) { return true; };
  // Called with the number of simulated outlet days and the market's clock.
  std::function<void(std::int64_t outlet_days, Millis clock)> progress = [](std::int64_t, Millis) {};
};

struct SimulateSummary {
  std::int64_t references = 0;
  std::int64_t events = 0;  // records of documents, faulty ones included
  std::int64_t order_lines = 0;
  std::int64_t outlet_days = 0;
  Millis clock = kNever;  // at the end
  bool complete = false;  // not ended by `reach`
};

// A hash of the settings that the records and their numbers depend on, for the market's time zone and partitions. `open` is not
// among them: a simulation that was left open can be closed later.
ImportId simulation_id(const SimulateSettings& settings, const MarketCalendar& calendar,
                       const PartitionCounts& partitions);

Result<SimulateSummary> simulate(const SimulateSettings& settings, const MarketCalendar& calendar, MarketOutput& output,
                                 const SimulateHooks& hooks = {});

}  // namespace fiverate
